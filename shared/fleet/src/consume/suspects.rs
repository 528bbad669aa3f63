use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of the permits, the part that suspects may hold while they wait for their turn.
const WAITING_SHARE: usize = 4;

/// Lets one message run at a time of those that a process did not survive.
///
/// When a process dies, every message that it was working on is charged, the
/// innocent ones too. Alone, only the culprit is charged again. All consumers
/// of a process share one: they die together.
#[derive(Clone, Debug)]
pub struct Quarantine(Arc<Semaphore>);

/// The suspects of one consumer that wait for their turn: few, so that the others can work.
#[derive(Debug)]
pub(super) struct Suspects {
    quarantine: Quarantine,
    waiting: Semaphore,
}

/// The turn of one suspect; dropping it lets the next one run.
#[derive(Debug)]
pub(super) struct Turn {
    _alone: OwnedSemaphorePermit,
}

impl Default for Quarantine {
    /// Makes an empty one.
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Suspects {
    /// Makes the queue of a consumer with so many permits.
    pub(super) fn new(quarantine: Quarantine, concurrency: usize) -> Self {
        Self {
            quarantine,
            waiting: Semaphore::new((concurrency / WAITING_SHARE).max(1)),
        }
    }

    /// Waits for a turn; `None` when too many wait already.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let _place = self.waiting.try_acquire().ok()?;
        let alone = Arc::clone(&self.quarantine.0).acquire_owned().await;
        Some(Turn {
            _alone: alone.expect("the semaphore is never closed"),
        })
    }
}
