use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::settlement::Settlement;
use crate::message::Message;
use crate::service::metrics::ConsumerMetrics;
use crate::service::traces::TraceContext;

/// How much longer than its pause and its handler a halted message may take to be received again.
const COMES_BACK_MARGIN: Duration = Duration::from_secs(5 * 60);

/// How often groups are forgotten whose message another process has now.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// The groups that stand still, as far as this process knows: a gauge for an alert.
pub(super) struct Halted {
    queue: String,
    handler_timeout: Duration,
    metrics: ConsumerMetrics,
    /// Until when the message of each is expected back.
    expected: Mutex<BTreeMap<String, Instant>>,
}

impl Halted {
    /// Starts with no group of this queue, whose handlers may take so long.
    pub(super) fn new(queue: &str, handler_timeout: Duration, metrics: ConsumerMetrics) -> Self {
        Self {
            queue: queue.to_owned(),
            handler_timeout,
            metrics,
            expected: Mutex::default(),
        }
    }

    /// Learns from the end of a message whether its group stands still.
    pub(super) fn learn(
        &self,
        message: &Message,
        trace: Option<&TraceContext>,
        settlement: &Settlement,
    ) {
        let Some(group) = &message.group_id else {
            return;
        };
        match settlement {
            Settlement::Halt { reason, after } => {
                tracing::error!(
                    queue = self.queue,
                    message.id = message.id.0,
                    trace_id = trace.map(|trace| display(trace.trace_id())),
                    reason,
                    after_secs = after.as_secs(),
                    "a message has failed for good, and its group stands still until it succeeds"
                );
                let until = Instant::now() + *after + self.handler_timeout + COMES_BACK_MARGIN;
                self.change(|expected| {
                    expected.insert(group.clone(), until);
                });
            }
            Settlement::Delete | Settlement::DeadLetter { .. } => {
                self.change(|expected| {
                    expected.remove(group);
                });
            }
            Settlement::Retry { .. } | Settlement::Release { .. } | Settlement::Abandon => {}
        }
    }

    /// Forgets groups whose message did not come back here, until told to stop; then all of them.
    ///
    /// # Cancellation
    ///
    /// The gauge keeps its value.
    pub(super) async fn sweep(&self, stop: &CancellationToken) {
        while stop
            .run_until_cancelled(sleep(SWEEP_PERIOD))
            .await
            .is_some()
        {
            let now = Instant::now();
            self.change(|expected| expected.retain(|_, until| now < *until));
        }
        self.change(BTreeMap::clear);
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Instant>)) {
        let mut expected = self.lock();
        change(&mut expected);
        self.metrics.groups_halted(expected.len());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
