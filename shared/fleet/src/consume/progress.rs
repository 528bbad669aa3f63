use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::latencies::Latencies;
use crate::message::Message;

/// Receives that are this far apart at most are looked at as one: a process shows itself about as
/// often.
const RECEPTION: Duration = Duration::from_secs(5);

/// A message that was received more often is in trouble of its own and says nothing of the queue.
///
/// Source: SQS developer guide, `ApproximateAgeOfOldestMessage`, which passes it over as well.
const TELLING_RECEIVES_MAX: u32 = 2;

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
    worked: AtomicU64,
    worked_micros: AtomicU64,
    reception: Mutex<Option<Reception>>,
}

/// What receives have brought of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// When the first of them brought something.
    began_at: Timestamp,
    /// When the last one did.
    pub at: Timestamp,
    /// When the oldest message was sent that they brought.
    pub oldest_sent: Timestamp,
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

    /// Returns how many messages have come to an outcome, and how long that took their handlers in all.
    pub fn worked(&self) -> (u64, Duration) {
        let micros = self.worked_micros.load(Ordering::Relaxed);
        let count = self.worked.load(Ordering::Relaxed);
        (count, Duration::from_micros(micros))
    }

    /// Returns what the last receives brought that brought something.
    pub fn reception(&self) -> Option<Reception> {
        *self.lock_reception()
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

    /// Notes what a receive brought, if it brought anything.
    pub(super) fn brought(&self, messages: &[Message], at: Timestamp) {
        if messages.is_empty() {
            return;
        }
        let telling = messages
            .iter()
            .filter(|message| message.receive_count <= TELLING_RECEIVES_MAX);
        let oldest_sent = telling.map(|message| message.sent_at).min().unwrap_or(at);
        let mut reception = self.lock_reception();
        *reception = Some(match *reception {
            Some(known) if at < known.began_at + RECEPTION => Reception {
                at,
                oldest_sent: known.oldest_sent.min(oldest_sent),
                ..known
            },
            _ => Reception {
                began_at: at,
                at,
                oldest_sent,
            },
        });
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
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.worked_micros.fetch_add(micros, Ordering::Relaxed);
        self.worked.fetch_add(1, Ordering::Relaxed);
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

    fn lock_reception(&self) -> MutexGuard<'_, Option<Reception>> {
        self.reception
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Attributes, MessageId, Receipt};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn message(sent: i64, receive_count: u32) -> Message {
        Message {
            id: MessageId("m".to_owned()),
            receipt: Receipt("r".to_owned()),
            body: String::new(),
            attributes: Attributes::default(),
            receive_count,
            sent_at: at(sent),
            group_id: None,
            trace_header: None,
            failure: None,
        }
    }

    #[test]
    fn receives_that_follow_each_other_are_one_reception() {
        let progress = Progress::default();
        let told = |progress: &Progress| {
            let reception = progress.reception()?;
            Some((reception.at, reception.oldest_sent))
        };
        progress.brought(&[], at(90));
        assert_eq!(told(&progress), None, "nothing was brought");
        progress.brought(&[message(70, 1), message(50, 2)], at(100));
        assert_eq!(told(&progress), Some((at(100), at(50))));
        progress.brought(&[message(80, 1)], at(104));
        assert_eq!(told(&progress), Some((at(104), at(50))));
        progress.brought(&[], at(109));
        assert_eq!(told(&progress), Some((at(104), at(50))));
        progress.brought(&[message(101, 1)], at(105));
        assert_eq!(told(&progress), Some((at(105), at(101))), "a new one");
    }

    #[test]
    fn a_message_in_trouble_says_nothing_of_the_age_of_the_queue() {
        let progress = Progress::default();
        progress.brought(&[message(10, 3), message(20, 7)], at(100));
        let reception = progress.reception().unwrap();
        assert_eq!((reception.at, reception.oldest_sent), (at(100), at(100)));
    }
}
