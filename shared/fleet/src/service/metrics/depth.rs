use std::time::Duration;

use metrics::Gauge;

use super::catalogue as metric;

/// The metrics of what waits in one queue and in its dead-letter queue; a clone shows the same.
#[derive(Clone, Debug)]
pub struct DepthMetrics {
    visible: Gauge,
    in_flight: Gauge,
    delayed: Gauge,
    oldest_age: Gauge,
    workers_needed: Gauge,
    dead: Gauge,
    dead_oldest_age: Gauge,
    dead_retention: Gauge,
}

/// What waits in a queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Depth {
    /// Messages that a receive may bring.
    pub visible: u64,
    /// Messages that were received and are not deleted.
    pub in_flight: u64,
    /// Messages that are not to be received yet.
    pub delayed: u64,
    /// The lag.
    pub oldest_age: Duration,
    /// Processes that the queue needs, where that is known.
    pub workers_needed: Option<f64>,
}

/// What a dead-letter queue holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadDepth {
    /// All its messages, whoever looks at them meanwhile.
    pub messages: u64,
    /// How long the oldest has been there.
    pub oldest_age: Duration,
    /// How long it keeps a message.
    pub retention: Duration,
}

impl DepthMetrics {
    /// Makes the metrics of `queue` (its name, not its URL), of which nothing is known.
    pub fn new(queue: &str) -> Self {
        let messages = |state: &str| metric::QUEUE_MESSAGES.gauge(&[queue, state]);
        let metrics = Self {
            visible: messages("visible"),
            in_flight: messages("in_flight"),
            delayed: messages("delayed"),
            oldest_age: metric::QUEUE_OLDEST_AGE.gauge(&[queue]),
            workers_needed: metric::WORKERS_NEEDED.gauge(&[queue]),
            dead: metric::DLQ_MESSAGES.gauge(&[queue]),
            dead_oldest_age: metric::DLQ_OLDEST_AGE.gauge(&[queue]),
            dead_retention: metric::DLQ_RETENTION.gauge(&[queue]),
        };
        metrics.queue(None);
        metrics.dead_letters(None);
        metrics
    }

    /// Shows what the queue holds; `None` when this process does not know: an unknown depth is
    /// not a number, least of all 0.
    pub fn queue(&self, depth: Option<Depth>) {
        let show = |gauge: &Gauge, value: fn(Depth) -> f64| {
            gauge.set(depth.map_or(f64::NAN, value));
        };
        show(&self.visible, |depth| depth.visible as f64);
        show(&self.in_flight, |depth| depth.in_flight as f64);
        show(&self.delayed, |depth| depth.delayed as f64);
        show(&self.oldest_age, |depth| depth.oldest_age.as_secs_f64());
        show(&self.workers_needed, |depth| {
            depth.workers_needed.unwrap_or(f64::NAN)
        });
    }

    /// Shows what the dead-letter queue holds; `None` as in [`DepthMetrics::queue`].
    pub fn dead_letters(&self, depth: Option<DeadDepth>) {
        let show = |gauge: &Gauge, value: fn(DeadDepth) -> f64| {
            gauge.set(depth.map_or(f64::NAN, value));
        };
        show(&self.dead, |depth| depth.messages as f64);
        show(&self.dead_oldest_age, |depth| {
            depth.oldest_age.as_secs_f64()
        });
        show(&self.dead_retention, |depth| depth.retention.as_secs_f64());
    }
}
