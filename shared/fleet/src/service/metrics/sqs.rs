use std::sync::Arc;
use std::time::Duration;

use metrics::Histogram;

use super::catalogue as metric;
use super::family::Family;

/// The requests that are told apart; `other` stands for all others.
pub const SQS_OPERATIONS: [&str; 7] = [
    "ReceiveMessage",
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "GetQueueAttributes",
    "GetQueueUrl",
    "other",
];

/// How a request may end: well, in one of the classes of failure, or unheard, because nobody waited
/// for it any longer.
pub const SQS_RESULTS: [&str; 8] = [
    "ok",
    "unreachable",
    "abandoned",
    "throttled",
    "credentials",
    "server",
    "no_such_queue",
    "refused",
];

/// The metrics of the requests to SQS; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct SqsMetrics {
    operations: Arc<[Operation]>,
}

#[derive(Debug)]
struct Operation {
    name: &'static str,
    results: Family,
    duration: Histogram,
}

impl SqsMetrics {
    /// Makes the metrics of every operation.
    pub fn new() -> Self {
        let operations = SQS_OPERATIONS.map(|name| Operation {
            name,
            results: Family::new(&metric::SQS_REQUESTS, &[name], &SQS_RESULTS),
            duration: metric::SQS_REQUEST_DURATION.histogram(&[name]),
        });
        Self {
            operations: operations.into(),
        }
    }

    /// Records a request: the operation's name in the API of SQS, one of
    /// [`SQS_RESULTS`], and how long the request took.
    pub fn requested(&self, operation: &str, result: &str, took: Duration) {
        let found = self.operations.iter().find(|known| known.name == operation);
        let last = self.operations.last();
        if let Some(operation) = found.or(last) {
            operation.results.increment(result);
            operation.duration.record(took);
        }
    }
}

impl Default for SqsMetrics {
    fn default() -> Self {
        Self::new()
    }
}
