//! What can be set about a service.

use crate::clock::Clock;
use crate::limits::IN_FLIGHT_MAX;

/// The account of every queue.
pub(crate) const ACCOUNT: &str = "000000000000";

/// What becomes of an in-process receive whose future is dropped while it waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AbandonedReceives {
    /// It goes on to its end, as it does in SQS: what it gets is invisible, and nobody has it.
    #[default]
    Continue,
    /// It ends, for callers who can do without this lesson.
    End,
}

/// What can be set about a service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The region in the ARNs of queues.
    pub region: String,
    /// Messages in flight at which a queue stops delivering. Tests lower it.
    pub in_flight_max: usize,
    /// Where message ids and receipt keys come from; the same seed gives the same ones.
    /// `None` takes a random one.
    pub seed: Option<u64>,
    /// The clock; `None` shows the system's time and follows tokio's clock from there.
    pub clock: Option<Clock>,
    /// What becomes of receives whose future is dropped.
    pub abandoned_receives: AbandonedReceives,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            in_flight_max: IN_FLIGHT_MAX,
            seed: None,
            clock: None,
            abandoned_receives: AbandonedReceives::Continue,
        }
    }
}
