use std::time::Duration;

use tokio::time::Instant;

use crate::service::retry::{Backoff, Jitter};

/// The most receives under way at once. With 10 ms of latency 64 of them carry
/// 40,000 messages a second.
const RECEIVES_MAX: usize = 64;

/// The ceilings of the pauses after a failed receive.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// How many receives there should be at once, by what the last ones brought.
pub(super) struct Pace {
    wanted: usize,
    pauses: Backoff,
    /// After a failure no receive is sent until then.
    rests_until: Option<Instant>,
    /// When the last failure came. One of a receive that was sent before it says nothing new.
    failed_at: Option<Instant>,
}

impl Pace {
    /// Begins with one.
    pub(super) fn new(jitter: Jitter) -> Self {
        Self {
            wanted: 1,
            pauses: Backoff::new(PAUSES.0, PAUSES.1, jitter),
            rests_until: None,
            failed_at: None,
        }
    }

    /// Tells whether another receive should join those that are under way.
    pub(super) fn wants_more_than(&self, under_way: usize, now: Instant) -> bool {
        under_way < self.wanted && self.rests_until(now).is_none()
    }

    /// Returns the end of the pause after a failure, if it is not over.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.rests_until.filter(|until| now < *until)
    }

    /// Learns from a receive that was answered.
    pub(super) fn brought(&mut self, sent: Instant, messages: usize, asked: usize) {
        if self.is_news(sent) {
            self.failed_at = None;
            self.pauses.reset();
        }
        self.wanted = match messages {
            0 => 1,
            // SQS asks some of its servers: a few messages do not mean that there are no more.
            few if few < asked => self.wanted.saturating_sub(1).max(1),
            _ => (self.wanted + 1).min(RECEIVES_MAX),
        };
    }

    /// Learns from a receive that failed. Those that fail together count once,
    /// so that the pause after an outage does not depend on how many they were.
    pub(super) fn failed(&mut self, sent: Instant, now: Instant) {
        self.wanted = 1;
        if self.is_news(sent) {
            self.failed_at = Some(now);
            self.rests_until = Some(now + self.pauses.next());
        }
    }

    fn is_news(&self, sent: Instant) -> bool {
        self.failed_at.is_none_or(|failed_at| sent >= failed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Jitter::seeded(1))
    }

    #[test]
    fn receives_join_while_they_come_back_full_up_to_a_limit() {
        let (mut pace, now) = (pace(), Instant::now());
        for under_way in 0..RECEIVES_MAX {
            assert!(pace.wants_more_than(under_way, now), "{under_way}");
            assert!(!pace.wants_more_than(under_way + 1, now), "{under_way}");
            pace.brought(now, 10, 10);
        }
        pace.brought(now, 10, 10);
        assert!(!pace.wants_more_than(RECEIVES_MAX, now));
    }

    #[test]
    fn one_leaves_when_few_messages_come_and_all_but_one_when_none_does() {
        let (mut pace, now) = (pace(), Instant::now());
        for _ in 0..9 {
            pace.brought(now, 10, 10);
        }
        pace.brought(now, 3, 10);
        assert_eq!(pace.wanted, 9);
        pace.brought(now, 0, 10);
        assert_eq!(pace.wanted, 1);
    }

    #[test]
    fn sixty_failures_of_one_moment_make_one_short_pause() {
        let (mut pace, now) = (pace(), Instant::now());
        for _ in 0..60 {
            pace.failed(now - Duration::from_secs(1), now);
        }
        let until = pace.rests_until(now).expect("a pause");
        assert!(until <= now + PAUSES.0);
        assert!(!pace.wants_more_than(0, now) && pace.wants_more_than(0, until));
    }

    #[test]
    fn pauses_stay_below_their_cap_and_begin_anew_after_a_success() {
        let (mut pace, mut now) = (pace(), Instant::now());
        for _ in 0..50 {
            pace.failed(now, now);
            now = pace.rests_until(now).unwrap_or(now);
            assert!(pace.failed_at.unwrap() + PAUSES.1 >= now);
        }
        pace.brought(now, 1, 10);
        pace.failed(now, now);
        assert!(
            pace.rests_until(now)
                .is_none_or(|until| until <= now + PAUSES.0)
        );
    }
}
