use std::sync::Arc;
use std::time::{Duration, SystemTime};

use metrics::{Counter, Gauge, Histogram};

use super::catalogue as metric;
use super::family::Family;

/// What a receive call may bring: messages, nothing, or an error.
pub const RECEIVE_RESULTS: [&str; 3] = ["messages", "empty", "failed"];

/// How a delivery may end.
pub const OUTCOMES: [&str; 11] = [
    "processed",
    "duplicate",
    "failed",
    "unavailable",
    "rejected",
    "undecodable",
    "unknown_type",
    "timed_out",
    "panicked",
    "interrupted",
    "lease_lost",
];

/// How far an acknowledgement got: asked for, confirmed by SQS, refused by SQS,
/// or sent without ever learning the answer, or learning it when the lease was over.
pub const ACK_RESULTS: [&str; 4] = ["requested", "confirmed", "failed", "unconfirmed"];

/// Why a message is copied to the dead-letter queue.
pub const DEAD_LETTER_REASONS: [&str; 5] = [
    "permanent",
    "attempts_exhausted",
    "undecodable",
    "unknown_type",
    "crash_suspect",
];

/// What a heartbeat may bring: more time, or a failure that is retried while
/// the lease lasts.
pub const LEASE_EXTENSION_RESULTS: [&str; 2] = ["extended", "failed"];

/// The handler label of a delivery that no handler got: undecodable, or of an
/// unknown type.
pub const NO_HANDLER: &str = "none";

/// The metrics of one consumer; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct ConsumerMetrics {
    /// Messages that receives brought.
    pub messages_received: Counter,
    /// Receive calls, by [`RECEIVE_RESULTS`].
    pub receives: Family,
    /// Messages that hold a permit.
    pub inflight: Gauge,
    /// How many permits there are.
    pub concurrency_limit: Gauge,
    /// Acknowledgements, by [`ACK_RESULTS`].
    pub acks: Family,
    /// Copies to the dead-letter queue, by [`DEAD_LETTER_REASONS`].
    pub dead_lettered: Family,
    /// Messages out of a replay that came to their end, done or dead again.
    pub replayed: Counter,
    /// Heartbeats, by [`LEASE_EXTENSION_RESULTS`].
    pub lease_extensions: Family,
    /// Deliveries whose lease ended before their settlement.
    pub leases_lost: Counter,
    /// Handlers that run alone, because a process ended while the message was worked on.
    pub poison_suspected: Counter,
    groups_halted: Gauge,
    queue_time: Histogram,
    critical_time: Histogram,
    last_success: Gauge,
    receiver_last_completed: Gauge,
    handlers: Arc<[(String, HandlerMetrics)]>,
    no_handler: HandlerMetrics,
}

impl ConsumerMetrics {
    /// Makes the metrics of the consumer of `queue` (its name, not its URL),
    /// and those of each of its handlers.
    pub fn new(queue: &str, handlers: &[&str]) -> Self {
        let metrics = Self {
            messages_received: metric::MESSAGES_RECEIVED.counter(&[queue]),
            receives: Family::new(&metric::RECEIVES, &[queue], &RECEIVE_RESULTS),
            inflight: metric::INFLIGHT.gauge(&[queue]),
            concurrency_limit: metric::CONCURRENCY_LIMIT.gauge(&[queue]),
            acks: Family::new(&metric::ACKS, &[queue], &ACK_RESULTS),
            dead_lettered: Family::new(&metric::DEAD_LETTERED, &[queue], &DEAD_LETTER_REASONS),
            replayed: metric::REPLAYED.counter(&[queue]),
            lease_extensions: Family::new(
                &metric::LEASE_EXTENSIONS,
                &[queue],
                &LEASE_EXTENSION_RESULTS,
            ),
            leases_lost: metric::LEASES_LOST.counter(&[queue]),
            poison_suspected: metric::POISON_SUSPECTED.counter(&[queue]),
            groups_halted: metric::GROUPS_HALTED.gauge(&[queue]),
            queue_time: metric::QUEUE_TIME.histogram(&[queue]),
            critical_time: metric::CRITICAL_TIME.histogram(&[queue]),
            last_success: metric::LAST_SUCCESS.gauge(&[queue]),
            receiver_last_completed: metric::RECEIVER_LAST_COMPLETED.gauge(&[queue]),
            handlers: handlers
                .iter()
                .map(|handler| ((*handler).to_owned(), HandlerMetrics::new(queue, handler)))
                .collect(),
            no_handler: HandlerMetrics::new(queue, NO_HANDLER),
        };
        metrics.messages_received.increment(0);
        metrics.replayed.increment(0);
        metrics.leases_lost.increment(0);
        metrics.poison_suspected.increment(0);
        metrics.inflight.set(0);
        metrics.groups_halted.set(0);
        metrics.last_success.set(unix_now());
        metrics.receiver_last_completed.set(unix_now());
        metrics
    }

    /// Returns the metrics of a handler; those of [`NO_HANDLER`] for one that
    /// was not named at the start.
    pub fn handler(&self, name: &str) -> &HandlerMetrics {
        let found = self.handlers.iter().find(|(known, _)| known == name);
        found.map_or(&self.no_handler, |(_, metrics)| metrics)
    }

    /// Records how long a message waited for its handler.
    pub fn started_after(&self, queue_time: Duration) {
        self.queue_time.record(queue_time);
    }

    /// Records a committed effect, and how long after its first sending it was.
    pub fn committed_after(&self, critical_time: Duration) {
        self.critical_time.record(critical_time);
        self.last_success.set(unix_now());
    }

    /// Shows how many groups stand still.
    pub fn groups_halted(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.groups_halted.set(count);
    }

    /// Records that a receive call got its answer, whatever it was.
    pub fn receive_completed(&self) {
        self.receiver_last_completed.set(unix_now());
    }
}

/// The metrics of one handler; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct HandlerMetrics {
    outcomes: Family,
    process_duration: Histogram,
    duplicates: Counter,
}

impl HandlerMetrics {
    /// Makes the metrics of one handler of the consumer of `queue`.
    pub fn new(queue: &str, handler: &str) -> Self {
        let metrics = Self {
            outcomes: Family::new(&metric::MESSAGES_PROCESSED, &[queue, handler], &OUTCOMES),
            process_duration: metric::PROCESS_DURATION.histogram(&[queue, handler]),
            duplicates: metric::DUPLICATES.counter(&[handler]),
        };
        metrics.duplicates.increment(0);
        metrics
    }

    /// Records the end of a delivery: its outcome, one of [`OUTCOMES`], and how
    /// long the handler took.
    pub fn ended(&self, outcome: &str, took: Duration) {
        self.outcomes.increment(outcome);
        self.process_duration.record(took);
        if outcome == "duplicate" {
            self.duplicates.increment(1);
        }
    }
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
