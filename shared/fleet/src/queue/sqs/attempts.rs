use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How long SQS can repeat a receive. Source: API reference, `ReceiveMessage`.
const REPEATABLE: Duration = Duration::from_secs(300);

/// The receives of a FIFO queue whose answer was lost, so that the next ones repeat them.
///
/// What such a receive handed out blocks its groups until the visibility timeout is over, unless
/// it is asked for again by the same id.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    lost: Mutex<Vec<Lost>>,
}

/// A receive without an answer.
#[derive(Debug)]
struct Lost {
    id: String,
    /// How many messages it may have been handed.
    max: usize,
    /// When the first receive with the id was sent.
    since: Instant,
    /// Until when a receive with the id may wait at SQS for somebody who is no longer there.
    waits_until: Instant,
}

/// One receive, which carries an id of its own or repeats a lost one.
#[derive(Debug)]
pub(super) struct Attempt {
    id: String,
    max: usize,
    since: Instant,
    sent: Instant,
    ends: Instant,
    /// When the lost one ceases to wait.
    lost_waits_until: Option<Instant>,
}

impl Attempts {
    /// Names a receive for up to `max` messages that is sent now and waits at SQS until `ends` at most.
    ///
    /// It repeats a lost one only if it has room for all that one may have been handed.
    pub(super) fn begin(&self, max: usize, now: Instant, ends: Instant) -> Attempt {
        let mut lost = self.lock();
        lost.retain(|lost| now < lost.since + REPEATABLE);
        let repeated = lost.iter().position(|lost| lost.max <= max);
        let repeated = repeated.map(|index| lost.remove(index));
        let new = || (Uuid::new_v4().to_string(), max, now, None);
        let (id, max, since, lost_waits_until) = repeated.map_or_else(new, |lost| {
            (lost.id, lost.max, lost.since, Some(lost.waits_until))
        });
        Attempt {
            id,
            max,
            since,
            sent: now,
            ends,
            lost_waits_until,
        }
    }

    /// Notes that an attempt was answered, with or without messages.
    ///
    /// An empty answer says nothing as long as the lost receive may still wait: what
    /// arrives then is handed to it, and only another repeat brings it.
    pub(super) fn answered(&self, attempt: Attempt, is_empty: bool) {
        match attempt.lost_waits_until {
            Some(until) if is_empty && attempt.sent < until => self.keep(attempt, until),
            _ => {}
        }
    }

    /// Notes that nobody knows what became of an attempt.
    pub(super) fn lost(&self, attempt: Attempt) {
        let until = attempt.lost_waits_until;
        let until = until.map_or(attempt.ends, |until| until.max(attempt.ends));
        self.keep(attempt, until);
    }

    /// Notes that SQS refused an attempt, which therefore had no effect.
    pub(super) fn refused(&self, attempt: Attempt) {
        if let Some(until) = attempt.lost_waits_until {
            self.keep(attempt, until);
        }
    }

    fn keep(&self, attempt: Attempt, waits_until: Instant) {
        self.lock().push(Lost {
            id: attempt.id,
            max: attempt.max,
            since: attempt.since,
            waits_until,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Returns the id that travels.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn begin(attempts: &Attempts, at: Instant) -> Attempt {
        attempts.begin(10, at, at + WAIT)
    }

    #[test]
    fn an_answered_receive_is_not_repeated() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.answered(first, false);
        let second = begin(&attempts, now);
        assert_ne!(second.id(), id);
        attempts.answered(second, true);
        assert!(attempts.lock().is_empty());
    }

    #[test]
    fn a_lost_receive_is_repeated_until_it_brings_something() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.lost(first);
        for _ in 0..3 {
            let repeat = begin(&attempts, now);
            assert_eq!(repeat.id(), id);
            attempts.lost(repeat);
        }
        let repeat = begin(&attempts, now);
        attempts.answered(repeat, false);
        assert_ne!(begin(&attempts, now).id(), id);
    }

    #[test]
    fn an_empty_repeat_counts_only_when_the_lost_one_waits_no_more() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.lost(first);
        let repeat = begin(&attempts, now + WAIT / 2);
        attempts.answered(repeat, true);
        let repeat = begin(&attempts, now + WAIT);
        assert_eq!(repeat.id(), id);
        attempts.answered(repeat, true);
        assert_ne!(begin(&attempts, now + WAIT).id(), id);
    }

    #[test]
    fn a_lost_receive_is_forgotten_after_five_minutes() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.lost(first);
        let late = now + REPEATABLE - Duration::from_millis(1);
        let repeat = begin(&attempts, late);
        assert_eq!(repeat.id(), id);
        attempts.lost(repeat);
        assert_ne!(begin(&attempts, now + REPEATABLE).id(), id);
        assert!(attempts.lock().is_empty());
    }

    #[test]
    fn several_at_once_repeat_one_each() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (a, b) = (begin(&attempts, now), begin(&attempts, now));
        let ids = [a.id().to_owned(), b.id().to_owned()];
        attempts.lost(a);
        attempts.lost(b);
        let again = [begin(&attempts, now), begin(&attempts, now)];
        assert_eq!([again[0].id(), again[1].id()], [&*ids[0], &*ids[1]]);
        assert!(!ids.contains(&begin(&attempts, now).id().to_owned()));
    }

    #[test]
    fn a_receive_with_less_room_than_the_lost_one_had_does_not_repeat_it() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.lost(first);
        assert_ne!(attempts.begin(9, now, now).id(), id);
        assert_eq!(attempts.begin(10, now, now).id(), id);
    }

    #[test]
    fn a_refused_repeat_is_still_to_be_made_and_a_refused_receive_is_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        attempts.refused(begin(&attempts, now));
        assert!(attempts.lock().is_empty());
        let first = begin(&attempts, now);
        let id = first.id().to_owned();
        attempts.lost(first);
        attempts.refused(begin(&attempts, now));
        assert_eq!(begin(&attempts, now).id(), id);
    }
}
