use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right to have one message in flight.
///
/// It comes back when it is dropped, and that happens when the acknowledgement
/// of its message is queued: giving it back before would let memory grow.
#[derive(Debug)]
pub(super) struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// The bounded concurrency of one consumer.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    size: usize,
}

impl Pool {
    /// Makes a pool of at least one permit.
    pub(super) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self {
            permits: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// Returns how many permits there are in all.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Waits for a permit.
    ///
    /// # Cancellation
    ///
    /// Dropping the future takes none.
    pub(super) async fn take(&self) -> Permit {
        Permit {
            _permit: acquire(&self.permits).await,
        }
    }

    /// Takes a permit if one is free.
    pub(super) fn try_take(&self) -> Option<Permit> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(Permit { _permit: permit })
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.expect("the pool's semaphores are never closed")
}
