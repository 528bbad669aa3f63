use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time of day, by which ages are told and ledgers are dated.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// The runtime's clock, so that a paused runtime drives it.
    Runtime {
        /// The time of day at the start.
        epoch: Timestamp,
        /// The runtime's time at the start.
        start: Instant,
    },
}

impl Clock {
    /// Makes a clock that shows the system's time now and follows the runtime from there.
    pub fn following_runtime() -> Self {
        Self::Runtime {
            epoch: Timestamp::now(),
            start: Instant::now(),
        }
    }

    /// Returns the time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Runtime { epoch, start } => *epoch + start.elapsed(),
        }
    }
}
