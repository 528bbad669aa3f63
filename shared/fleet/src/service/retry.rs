//! Delays between tries: exponential ceilings with full jitter.
//!
//! Full jitter (a delay drawn evenly from zero to the ceiling) spreads the
//! retries of many workers best and costs the dependency least, see
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How much a ceiling grows from one try to the next.
const MULTIPLIER: u32 = 2;

/// A random generator that many tasks share and a test can seed.
#[derive(Clone)]
pub struct Jitter(Arc<Mutex<StdRng>>);

impl Jitter {
    /// Seeds the generator from the operating system.
    pub fn from_entropy() -> Self {
        Self::of(rand::make_rng())
    }

    /// Seeds the generator with a number, so that a run can be repeated.
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    /// Draws a duration evenly from zero to the ceiling, both included.
    pub fn up_to(&self, ceiling: Duration) -> Duration {
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(generator.random_range(0..=nanos))
    }

    fn of(generator: StdRng) -> Self {
        Self(Arc::new(Mutex::new(generator)))
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// Returns the longest delay before the next try when `attempt` tries have
/// failed (1 = the first): `initial`, doubled a try, at most `cap`.
///
/// Without state, for a message whose attempts are counted elsewhere.
pub fn ceiling(initial: Duration, cap: Duration, attempt: u32) -> Duration {
    let factor = MULTIPLIER.saturating_pow(attempt.saturating_sub(1));
    initial.saturating_mul(factor).min(cap)
}

/// Draws the delay for a ceiling: full jitter.
pub fn full_jitter(jitter: &Jitter, ceiling: Duration) -> Duration {
    jitter.up_to(ceiling)
}

/// The delays of one loop that retries for ever.
#[derive(Debug)]
pub struct Backoff {
    ceilings: ExponentialBackoff,
    cap: Duration,
    jitter: Jitter,
}

impl Backoff {
    /// Starts with the ceiling `initial`, which doubles with every delay up to `cap`.
    pub fn new(initial: Duration, cap: Duration, jitter: Jitter) -> Self {
        let initial = initial.min(cap);
        let ceilings = ExponentialBackoff {
            current_interval: initial,
            initial_interval: initial,
            multiplier: f64::from(MULTIPLIER),
            max_interval: cap,
            // The crate's own jitter cannot be seeded, and by default it ends
            // the retries after a quarter of an hour; the fleet never does.
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            ceilings,
            cap,
            jitter,
        }
    }

    /// Draws the next delay, from zero to a ceiling that doubles each time.
    #[expect(
        clippy::should_implement_trait,
        reason = "the delays never end, so no Option"
    )]
    pub fn next(&mut self) -> Duration {
        let ceiling = self.next_ceiling();
        full_jitter(&self.jitter, ceiling)
    }

    /// Begins again at the first ceiling, as after a success.
    pub fn reset(&mut self) {
        self.ceilings.reset();
    }

    /// Returns the next ceiling in whole microseconds: the crate computes in
    /// floating point and may be one nanosecond off from one run to the next,
    /// which would make a seeded run unrepeatable.
    fn next_ceiling(&mut self) -> Duration {
        let ceiling = self
            .ceilings
            .next_backoff()
            .unwrap_or(self.cap)
            .min(self.cap);
        Duration::new(ceiling.as_secs(), ceiling.subsec_micros() * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INITIAL: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(4);

    #[test]
    fn ceilings_double_up_to_the_cap_and_begin_again_after_a_reset() {
        let mut backoff = Backoff::new(INITIAL, CAP, Jitter::seeded(1));
        let millis: Vec<_> = (0..8).map(|_| backoff.next_ceiling().as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 4000, 4000]);
        let stateless: Vec<_> = (1..=8)
            .map(|n| ceiling(INITIAL, CAP, n).as_millis())
            .collect();
        assert_eq!(millis, stateless);
        backoff.reset();
        assert_eq!(backoff.next_ceiling(), INITIAL);
    }

    #[test]
    fn the_same_seed_draws_the_same_delays() {
        let delays = |seed| {
            let mut backoff = Backoff::new(INITIAL, CAP, Jitter::seeded(seed));
            (0..1_000).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn delays_are_spread_over_the_whole_range() {
        let jitter = Jitter::seeded(3);
        let mean = (0..10_000)
            .map(|_| jitter.up_to(CAP).as_secs_f64())
            .sum::<f64>()
            / 10_000.0;
        assert!((1.9..2.1).contains(&mean), "{mean}");
    }

    #[test]
    fn a_ceiling_of_zero_means_no_delay() {
        assert_eq!(Jitter::from_entropy().up_to(Duration::ZERO), Duration::ZERO);
        assert_eq!(ceiling(INITIAL, CAP, 0), INITIAL);
    }

    proptest! {
        #[test]
        fn every_delay_is_within_the_cap_and_ceilings_never_fall(
            initial_micros in 1..10_000_000_u64,
            cap_micros in 1..100_000_000_u64,
            seed: u64,
        ) {
            let (initial, cap) =
                (Duration::from_micros(initial_micros), Duration::from_micros(cap_micros));
            let mut backoff = Backoff::new(initial, cap, Jitter::seeded(seed));
            let mut before = Duration::ZERO;
            for _ in 0..100 {
                let ceiling = backoff.next_ceiling();
                prop_assert!(before <= ceiling && ceiling <= cap);
                prop_assert!(full_jitter(&backoff.jitter, ceiling) <= ceiling);
                before = ceiling;
            }
            prop_assert_eq!(before, cap, "after a hundred doublings the cap holds, for ever");
        }

        #[test]
        fn a_ceiling_without_state_never_falls_and_never_overflows(
            initial: Duration, cap: Duration, attempt: u32,
        ) {
            let now = ceiling(initial, cap, attempt);
            prop_assert!(now <= cap && now <= ceiling(initial, cap, attempt.saturating_add(1)));
            prop_assert!(full_jitter(&Jitter::seeded(1), now) <= now);
        }
    }
}
