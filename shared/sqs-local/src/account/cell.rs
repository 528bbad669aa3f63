//! A queue behind its lock, and what those who wait for it need.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::queue::{Queue, QueueName};

/// A queue that many can use.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: QueueName,
    queue: Mutex<Queue>,
    /// One of those who wait watches the clock for all; whoever holds this.
    pub(super) watch: tokio::sync::Mutex<()>,
    /// Tells the watcher that something becomes visible earlier than it thinks.
    pub(super) due_changed: Notify,
}

impl Cell {
    pub(super) fn new(name: QueueName, queue: Queue) -> Self {
        Self {
            name,
            queue: Mutex::new(queue),
            watch: tokio::sync::Mutex::new(()),
            due_changed: Notify::new(),
        }
    }

    /// Locks the queue; never held over an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
