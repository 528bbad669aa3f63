use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::latencies::Latencies;

/// How far a consumer has come: what a drain needs to know, and those who watch it.
#[derive(Debug, Default)]
pub struct Progress {
    received: AtomicU64,
    settled: AtomicU64,
    done: AtomicU64,
    duplicates: AtomicU64,
    empty_receives: AtomicU64,
    retries_until: Mutex<Option<Instant>>,
    down: Mutex<BTreeSet<Cow<'static, str>>>,
    latencies: Latencies,
}

/// One look at a consumer's progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Messages taken into work since the start; a second receipt of one that
    /// is being worked on does not count.
    pub received: u64,
    /// Of these, messages that are out of our hands again.
    pub settled: u64,
    /// Of these, messages whose event is done.
    pub done: u64,
    /// Of these, messages whose event was done before.
    pub duplicates: u64,
    /// Long polls in a row that waited to their end and brought nothing.
    pub empty_receives: u64,
    /// Whether a message of ours still waits for its retry.
    pub retry_waits: bool,
}

impl Progress {
    /// Takes a look.
    pub fn snapshot(&self) -> Snapshot {
        let retries_until = *self
            .retries_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Read in this order, what is settled was received before.
        let settled = self.settled.load(Ordering::Acquire);
        Snapshot {
            received: self.received.load(Ordering::Acquire),
            settled,
            done: self.done.load(Ordering::Acquire),
            duplicates: self.duplicates.load(Ordering::Acquire),
            empty_receives: self.empty_receives.load(Ordering::Acquire),
            retry_waits: retries_until.is_some_and(|until| Instant::now() < until),
        }
    }

    /// Returns the dependencies that are down, for which receiving has stopped.
    pub fn down(&self) -> BTreeSet<Cow<'static, str>> {
        let down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        down.clone()
    }

    /// Returns how long 99 of 100 messages took at most that ended since the last call, from the
    /// start of their handler to their outcome; `None` when none ended.
    ///
    /// It is too high by at most a sixteenth. One caller at a time is told all.
    pub fn take_p99(&self) -> Option<Duration> {
        self.latencies.take_p99()
    }

    pub(super) fn set_down(&self, dependencies: impl Iterator<Item = Cow<'static, str>>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        *down = dependencies.collect();
    }

    /// Notes whether a receive came back empty.
    pub(super) fn polled(&self, is_empty: bool) {
        if is_empty {
            self.empty_receives.fetch_add(1, Ordering::AcqRel);
        } else {
            self.empty_receives.store(0, Ordering::Release);
        }
    }

    pub(super) fn received(&self) {
        self.received.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn settled(&self) {
        self.settled.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes how long a message took.
    pub(super) fn took(&self, took: Duration) {
        self.latencies.record(took);
    }

    /// Counts a message whose event is done, and returns how many there were before.
    pub(super) fn done(&self, is_duplicate: bool) -> u64 {
        if is_duplicate {
            self.duplicates.fetch_add(1, Ordering::AcqRel);
        }
        self.done.fetch_add(1, Ordering::AcqRel)
    }

    /// Remembers that a message comes back after this time.
    pub(super) fn comes_back_in(&self, after: Duration) {
        let due = Instant::now() + after;
        let mut until = self
            .retries_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(due, |before| before.max(due)));
    }
}
