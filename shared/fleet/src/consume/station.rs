use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::acknowledger::Ack;
use super::breaker::Breaker;
use super::budget::Budget;
use super::clock::Clock;
use super::halted::Halted;
use super::ledger::Ledger;
use super::progress::Progress;
use super::successes::Successes;
use super::suspects::Suspects;
use super::valve::Valve;
use crate::queue::Queue;
use crate::service::config::{GroupPolicy, LogSuccess, RateLimit};
use crate::service::metrics::ConsumerMetrics;
use crate::service::retry::Jitter;
use crate::store::{History, Store};

/// What every delivery of one consumer needs to be worked on and settled.
pub(super) struct Station {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) store: Arc<dyn Store>,
    pub(super) dead_letters: Arc<dyn Queue>,
    pub(super) acks: mpsc::Sender<Ack>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) suspects: Suspects,
    /// Where the policy for groups is to halt.
    pub(super) halted: Option<Halted>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) valve: Valve,
    pub(super) jitter: Jitter,
    pub(super) metrics: ConsumerMetrics,
    pub(super) progress: Arc<Progress>,
    pub(super) budget: Budget,
    pub(super) successes: Successes,
    pub(super) stop_receiving: CancellationToken,
    pub(super) stop_working: CancellationToken,
}

/// The limits and names of one consumer.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The consumer's name.
    pub consumer: &'static str,
    /// The name of its queue.
    pub queue: String,
    /// The build that runs it, which dead letters name.
    pub version: String,
    /// The most messages in flight.
    pub concurrency: usize,
    /// How long a handler may take.
    pub handler_timeout: Duration,
    /// How many attempts a message has.
    pub attempts_max: u32,
    /// How long a receive waits for messages.
    pub receive_wait: Duration,
    /// The queue's visibility timeout.
    pub visibility: Duration,
    /// How long a message of an unknown type is waited for.
    pub unknown_type_grace: Duration,
    /// The most messages a second.
    pub rate_limit: Option<RateLimit>,
    /// The most bytes of bodies in memory; one message is always possible.
    pub bytes_max: u64,
    /// What becomes of a group whose message failed for good; `None` on a standard queue, which has no order to keep.
    pub group_policy: Option<GroupPolicy>,
    /// Which successes get a log line.
    pub log_success: LogSuccess,
}

impl Limits {
    /// What bodies may take of a process's memory by default: enough for a full receive of the
    /// largest and the sixteen in work beside it, and half of what a small container can spare.
    pub const BYTES_MAX: u64 = 32 * 1024 * 1024;

    /// Tells whether a message's handler is not to run again.
    ///
    /// One that halts its group gets as many attempts as it takes, but for what has
    /// used them all up by taking its process along.
    pub(super) fn give_up_on(&self, history: &History) -> bool {
        let used_up = match self.group_policy {
            Some(GroupPolicy::Halt) => history.crashes,
            Some(GroupPolicy::DeadLetter) | None => history.charged,
        };
        used_up >= self.attempts_max
    }
}
