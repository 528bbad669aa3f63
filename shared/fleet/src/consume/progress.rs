use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How far a consumer has come: what a drain needs to know.
#[derive(Debug)]
pub struct Progress {
    received: AtomicU64,
    settled: AtomicU64,
    duplicates: AtomicU64,
    empty_receives: AtomicU64,
    retries_until: Mutex<Option<Instant>>,
}

/// One look at a consumer's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Messages received since the start.
    pub received: u64,
    /// Messages settled since the start.
    pub settled: u64,
    /// Of these, messages whose event was done before.
    pub duplicates: u64,
    /// Long polls in a row that waited to their end and brought nothing.
    pub empty_receives: u64,
    /// Whether a message of ours still waits for its retry.
    pub retry_waits: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            received: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            empty_receives: AtomicU64::new(0),
            retries_until: Mutex::new(None),
        }
    }

    /// Takes a look.
    pub fn snapshot(&self) -> Snapshot {
        let retries_until = *self
            .retries_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            received: self.received.load(Ordering::Acquire),
            settled: self.settled.load(Ordering::Acquire),
            duplicates: self.duplicates.load(Ordering::Acquire),
            empty_receives: self.empty_receives.load(Ordering::Acquire),
            retry_waits: retries_until.is_some_and(|until| Instant::now() < until),
        }
    }

    pub(super) fn received(&self, messages: usize) {
        if messages == 0 {
            self.empty_receives.fetch_add(1, Ordering::AcqRel);
        } else {
            self.empty_receives.store(0, Ordering::Release);
            self.received.fetch_add(messages as u64, Ordering::AcqRel);
        }
    }

    pub(super) fn settled(&self, was_duplicate: bool) {
        self.duplicates
            .fetch_add(u64::from(was_duplicate), Ordering::AcqRel);
        self.settled.fetch_add(1, Ordering::AcqRel);
    }

    /// Remembers that a message comes back after this time.
    pub(super) fn retry_in(&self, after: Duration) {
        let due = Instant::now() + after;
        let mut until = self
            .retries_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(due, |before| before.max(due)));
    }
}
