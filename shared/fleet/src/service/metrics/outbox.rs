use std::time::Duration;

use metrics::{Counter, Gauge};

use super::catalogue as metric;

/// The metrics of the relay; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct OutboxMetrics {
    /// Rows that SQS accepted.
    pub published: Counter,
    /// Rows that SQS did not accept.
    pub publish_errors: Counter,
    /// Rows of a type that nobody subscribes to.
    pub unsubscribed: Counter,
    pending: Gauge,
    oldest_age: Gauge,
    parked: Gauge,
}

impl OutboxMetrics {
    /// Makes the metrics; the gauges appear with the first measurement.
    pub fn new() -> Self {
        let metrics = Self {
            published: metric::OUTBOX_PUBLISHED.counter(&[]),
            publish_errors: metric::OUTBOX_PUBLISH_ERRORS.counter(&[]),
            unsubscribed: metric::OUTBOX_UNSUBSCRIBED.counter(&[]),
            pending: metric::OUTBOX_PENDING.gauge(&[]),
            oldest_age: metric::OUTBOX_OLDEST_AGE.gauge(&[]),
            parked: metric::OUTBOX_PARKED.gauge(&[]),
        };
        for counter in [
            &metrics.published,
            &metrics.publish_errors,
            &metrics.unsubscribed,
        ] {
            counter.increment(0);
        }
        metrics.measured(None);
        metrics
    }

    /// Records what the outbox holds: rows that wait, the age of the oldest,
    /// rows that are parked. `None` when nobody could look: an unknown depth is
    /// not a number, least of all 0.
    pub fn measured(&self, depth: Option<OutboxDepth>) {
        let (pending, oldest_age, parked) = depth.map_or((f64::NAN, f64::NAN, f64::NAN), |depth| {
            (
                depth.pending as f64,
                depth.oldest_age.as_secs_f64(),
                depth.parked as f64,
            )
        });
        self.pending.set(pending);
        self.oldest_age.set(oldest_age);
        self.parked.set(parked);
    }
}

impl Default for OutboxMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What the outbox holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Rows that wait to be sent.
    pub pending: u64,
    /// The age of the oldest of them; zero when none waits.
    pub oldest_age: Duration,
    /// Rows that SQS will never accept.
    pub parked: u64,
}
