use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lease::Lease;
use crate::message::Message;

/// One message that this process has to settle.
///
/// It owns its place in the pool and its lease; dropping it gives both back.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) message: Message,
    pub(super) lease: Lease,
    pub(super) permit: Permit,
}

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
    pub(super) fn new(size: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// Waits for one permit and takes up to `max` in all, without waiting for more.
    ///
    /// # Cancellation
    ///
    /// Dropping the future takes no permit.
    pub(super) async fn take(&self, max: usize) -> Vec<Permit> {
        let first = Arc::clone(&self.permits).acquire_owned().await;
        let mut permits = Vec::with_capacity(max);
        permits.push(first.expect("the pool's semaphore is never closed"));
        while permits.len() < max {
            let Ok(next) = Arc::clone(&self.permits).try_acquire_owned() else {
                break;
            };
            permits.push(next);
        }
        permits
            .into_iter()
            .map(|permit| Permit { _permit: permit })
            .collect()
    }

    /// Returns how many permits are out, be it for messages or for receives.
    pub(super) fn taken(&self) -> usize {
        self.size - self.permits.available_permits()
    }
}
