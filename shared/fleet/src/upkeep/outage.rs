use std::error::Error;
use std::time::Duration;

use crate::service::retry::{Backoff, Jitter};

/// The ceilings of the pauses while the database does not answer: pauses are heeded again within
/// five seconds of its return.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Failures of a loop that is never given up: each outage is said once, and so is its end.
#[derive(Debug)]
pub(super) struct Outage {
    what: String,
    pauses: Backoff,
    is_on: bool,
}

impl Outage {
    /// Makes one that has not begun, of the loop that does `what`.
    pub(super) fn of(what: impl Into<String>, jitter: Jitter) -> Self {
        Self {
            what: what.into(),
            pauses: Backoff::new(PAUSES.0, PAUSES.1, jitter),
            is_on: false,
        }
    }

    /// Notes that it did not work, and returns how long to wait.
    pub(super) fn goes_on(&mut self, error: &(dyn Error + 'static)) -> Duration {
        if !self.is_on {
            tracing::warn!(error, "{} fails and is tried again", self.what);
        }
        self.is_on = true;
        self.pauses.next()
    }

    /// Notes that it worked.
    pub(super) fn is_over(&mut self) {
        if self.is_on {
            tracing::info!("{} works again", self.what);
        }
        self.is_on = false;
        self.pauses.reset();
    }
}
