//! What time it is: an epoch plus the clock of tokio, so that a paused runtime drives it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::limits::Millis;

/// Tells the time in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Millis,
    start: Instant,
}

impl Clock {
    /// Makes a clock that shows the system's time now and follows tokio's clock from there.
    pub fn system() -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self::starting_at(millis(since))
    }

    /// Makes a clock that shows the given time now, for runs that have to repeat exactly.
    pub fn starting_at(epoch: Millis) -> Self {
        Self {
            epoch,
            start: Instant::now(),
        }
    }

    /// Returns the time now.
    pub fn now(&self) -> Millis {
        self.epoch.saturating_add(millis(self.start.elapsed()))
    }

    /// Returns the instant at which this clock will show the given time.
    pub fn instant(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(at.saturating_sub(self.epoch))
    }
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_the_runtime() {
        let clock = Clock::starting_at(5_000);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now(), 5_250);
        assert_eq!(clock.instant(5_250), Instant::now());
    }
}
