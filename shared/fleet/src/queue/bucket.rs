use std::time::Duration;

use tokio::time::Instant;

use super::BATCH_ENTRIES_MAX;
use crate::service::config::RateLimit;

/// The parts of a token. In a nanosecond as many of them accrue as the rate has
/// thousandths of a message a second, so nothing is ever rounded.
const TOKEN: u128 = 1_000_000_000_000;

/// The seconds whose messages may come at once, as a divisor. It has to outlast
/// the round trip of a receive, or the limit could not be reached.
const BURSTS_A_SECOND: u64 = 10;

/// Keeps who receives at a rate: a state machine without a clock.
///
/// Receives under way hold tokens for what they may bring, and pay for what
/// they do. So within any time no more messages arrive than the rate allows,
/// and one burst.
#[derive(Debug)]
pub(crate) struct Bucket {
    thousandths: u64,
    burst: u64,
    /// In parts of a token.
    held: u128,
    at: Instant,
}

impl Bucket {
    /// Starts full.
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Self {
        let thousandths = limit.thousandths();
        let a_second = thousandths / 1_000;
        let full_receive = a_second.min(BATCH_ENTRIES_MAX as u64);
        let burst = full_receive.max(a_second / BURSTS_A_SECOND).max(1);
        Self {
            thousandths,
            burst,
            held: u128::from(burst) * TOKEN,
            at: now,
        }
    }

    /// Returns how many more messages may be asked for while receives that ask for `asked` are under way.
    ///
    /// It is none until a request is worth it: half a burst, or ten messages.
    pub(crate) fn room(&mut self, asked: usize, now: Instant) -> usize {
        self.accrue(now);
        let tokens = usize::try_from(self.held / TOKEN).unwrap_or(usize::MAX);
        let room = tokens.saturating_sub(asked);
        if room < self.least() { 0 } else { room }
    }

    /// Pays for messages that a receive has brought.
    pub(crate) fn pay(&mut self, messages: usize, now: Instant) {
        self.accrue(now);
        self.held = self.held.saturating_sub(messages as u128 * TOKEN);
    }

    /// Returns when there will be room, unless there is, or receives under way have to end before.
    pub(crate) fn opens_at(&self, asked: usize) -> Option<Instant> {
        let wanted = asked + self.least();
        let missing = (wanted as u128 * TOKEN).saturating_sub(self.held);
        if missing == 0 || wanted as u64 > self.burst {
            return None;
        }
        let nanos = missing.div_ceil(u128::from(self.thousandths));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        Some(self.at + Duration::from_nanos(nanos))
    }

    fn least(&self) -> usize {
        let half = usize::try_from(self.burst.div_ceil(2)).unwrap_or(usize::MAX);
        half.min(BATCH_ENTRIES_MAX)
    }

    fn accrue(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.at).as_nanos();
        let full = u128::from(self.burst) * TOKEN;
        self.held = (self.held + nanos * u128::from(self.thousandths)).min(full);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::VecDeque;

    use super::*;

    fn bucket(thousandths: u64, now: Instant) -> Bucket {
        Bucket::new(RateLimit::in_thousand_secs(thousandths), now)
    }

    #[test]
    fn a_burst_is_a_full_receive_if_a_second_allows_it_and_else_a_tenth_of_a_second() {
        let now = Instant::now();
        for (thousandths, burst) in [
            (1, 1),
            (500, 1),
            (2_500, 2),
            (10_000, 10),
            (50_000, 10),
            (100_000, 10),
            (1_000_000, 100),
        ] {
            assert_eq!(
                bucket(thousandths, now).room(0, now),
                burst,
                "{thousandths}"
            );
        }
    }

    #[test]
    fn a_rate_of_one_in_two_seconds_gives_one_message_every_two_seconds() {
        let begun = Instant::now();
        let mut bucket = bucket(500, begun);
        bucket.pay(1, begun);
        let opens = bucket.opens_at(0).expect("nothing is under way");
        assert_eq!(opens - begun, Duration::from_secs(2));
        assert_eq!(bucket.room(0, opens - Duration::from_nanos(1)), 0);
        assert_eq!(bucket.room(0, opens), 1);
        assert_eq!(bucket.room(1, opens), 0, "a receive under way holds it");
        assert_eq!(bucket.opens_at(1), None);
    }

    #[test]
    fn what_a_receive_does_not_bring_costs_nothing() {
        let now = Instant::now();
        let mut bucket = bucket(10_000, now);
        bucket.pay(3, now);
        assert_eq!(bucket.room(0, now), 7);
        assert_eq!(
            bucket.room(0, now + Duration::from_secs(3_600)),
            10,
            "never above a burst"
        );
    }

    proptest! {
        #[test]
        fn in_no_time_more_messages_come_than_the_rate_and_a_burst(
            thousandths in 1u64..5_000_000,
            steps in prop::collection::vec((0u64..2_000, 0usize..11, 0u8..3), 1..200),
        ) {
            let mut now = Instant::now();
            let mut bucket = bucket(thousandths, now);
            let (mut under_way, mut arrived) = (VecDeque::new(), Vec::<(Instant, u128)>::new());
            for (millis, share, act) in steps {
                now += Duration::from_millis(millis);
                let asked = under_way.iter().sum();
                let room = bucket.room(asked, now).min(10);
                if act > 0 && room > 0 {
                    under_way.push_back(room);
                } else if let Some(asked) = under_way.pop_front() {
                    let brought = asked.min(share);
                    bucket.pay(brought, now);
                    arrived.push((now, brought as u128));
                }
            }
            for (first, (from, _)) in arrived.iter().enumerate() {
                let mut sum = 0;
                for (to, brought) in &arrived[first..] {
                    sum += brought * TOKEN;
                    let window = (*to - *from).as_nanos() * u128::from(thousandths);
                    prop_assert!(sum <= window + u128::from(bucket.burst) * TOKEN);
                }
            }
        }
    }
}
