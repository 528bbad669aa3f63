use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::queue::{BATCH_ENTRIES_MAX, Bucket};
use crate::service::config::RateLimit;

/// How many messages may still be sent, and how fast.
///
/// What is asked for is paid back when it turns out not to be needed.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// No limit: none.
    left: Option<u64>,
    bucket: Option<Bucket>,
    /// How many messages receives under way have asked the rate for.
    asked: usize,
}

impl Budget {
    pub(super) fn new(max: Option<u64>, rate: Option<RateLimit>, now: Instant) -> Self {
        let state = State {
            left: max,
            bucket: rate.map(|rate| Bucket::new(rate, now)),
            asked: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Waits until the rate allows messages, and returns how many may be received; none when
    /// `stop` is cancelled before.
    pub(super) async fn ask(&self, stop: &CancellationToken) -> usize {
        loop {
            let opens_at = {
                let mut state = self.lock();
                let (asked, now) = (state.asked, Instant::now());
                let Some(bucket) = &mut state.bucket else {
                    return BATCH_ENTRIES_MAX;
                };
                let room = bucket.room(asked, now).min(BATCH_ENTRIES_MAX);
                if room > 0 {
                    state.asked += room;
                    return room;
                }
                // Without a time, somebody who has asked will pay or give back soon.
                bucket.opens_at(asked).unwrap_or(now + LOOK_AGAIN)
            };
            tokio::select! {
                () = sleep_until(opens_at) => {}
                () = stop.cancelled() => return 0,
            }
        }
    }

    /// Settles what [`Self::ask`] allowed: so many of them were sent.
    pub(super) fn pay(&self, allowed: usize, sent: usize) {
        let mut state = self.lock();
        if let Some(bucket) = &mut state.bucket {
            bucket.pay(sent, Instant::now());
            state.asked = state.asked.saturating_sub(allowed);
        }
    }

    /// Takes as many messages out of the limit as are left, at most `wanted`.
    pub(super) fn take(&self, wanted: usize) -> usize {
        let mut state = self.lock();
        let Some(left) = &mut state.left else {
            return wanted;
        };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(wanted);
        *left -= taken as u64;
        taken
    }

    /// Puts back what was taken and not sent.
    pub(super) fn put_back(&self, unused: usize) {
        if let Some(left) = &mut self.lock().left {
            *left += unused as u64;
        }
    }

    /// Tells whether the limit is reached.
    pub(super) fn is_spent(&self) -> bool {
        self.lock().left == Some(0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How soon the rate is looked at again while receives under way hold all that it allows.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_is_taken_than_the_limit_and_what_is_put_back_can_be_taken_again() {
        let budget = Budget::new(Some(12), None, Instant::now());
        assert_eq!(budget.take(10), 10);
        assert_eq!(budget.take(10), 2);
        assert!(budget.is_spent());
        budget.put_back(3);
        assert_eq!((budget.is_spent(), budget.take(10)), (false, 3));
        assert_eq!(Budget::new(None, None, Instant::now()).take(10), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_whatever_is_asked_for_and_not_used() {
        let rate = RateLimit::in_thousand_secs(50_000);
        let (begun, stop) = (Instant::now(), CancellationToken::new());
        let budget = Budget::new(None, Some(rate), begun);
        let mut sent = 0;
        for used in [10, 0, 3, 10, 1, 0, 10, 10, 10, 10, 10] {
            let allowed = budget.ask(&stop).await;
            let used = used.min(allowed);
            budget.pay(allowed, used);
            sent += used;
            let earned = begun.elapsed().as_secs_f64() * 50.0;
            assert!(
                sent as f64 <= earned + 10.0,
                "{sent} after {:?}",
                begun.elapsed()
            );
        }
        assert!(begun.elapsed().as_secs_f64() < sent as f64 / 50.0 + 0.5);
        stop.cancel();
        budget.lock().asked = 1_000;
        assert_eq!(budget.ask(&stop).await, 0);
    }
}
