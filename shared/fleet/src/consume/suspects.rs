use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of the permits, the part that suspects may hold while they wait for their turn.
const WAITING_SHARE: usize = 4;

/// Lets messages that may have taken a process along run one at a time.
///
/// When a process dies, every message that it was working on is charged, the innocent ones too.
/// Alone, only the culprit is charged again. Those that wait must not keep the others from
/// working, so there are few.
#[derive(Debug)]
pub(super) struct Suspects {
    alone: Arc<Semaphore>,
    waiting: Semaphore,
}

/// The turn of one suspect; dropping it lets the next one run.
#[derive(Debug)]
pub(super) struct Turn {
    _alone: OwnedSemaphorePermit,
}

impl Suspects {
    /// Makes the queue of a consumer with so many permits.
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            alone: Arc::new(Semaphore::new(1)),
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
        let alone = Arc::clone(&self.alone).acquire_owned().await;
        Some(Turn {
            _alone: alone.expect("the semaphore is never closed"),
        })
    }
}
