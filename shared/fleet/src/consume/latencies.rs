use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Every power of two is divided into so many buckets, as a power of two itself: a bucket is
/// at most one sixteenth as wide as its lower bound.
const FINENESS: u32 = 4;

/// How many buckets that is.
const BUCKETS_A_POWER: usize = 1 << FINENESS;

/// The longest duration that is told apart from longer ones: 2^36 µs are 19 hours, and SQS lets
/// nobody keep a message for more than twelve.
const POWERS: u32 = 36;

const BUCKETS: usize = (POWERS - FINENESS + 1) as usize * BUCKETS_A_POWER;

/// How long things took, counted in buckets that grow with the duration.
///
/// Recording takes no lock and no memory. Whole microseconds are counted; what is told of them is
/// never too low, and too high by at most a sixteenth (6.25 %).
pub(super) struct Latencies {
    buckets: [AtomicU32; BUCKETS],
}

impl Latencies {
    /// Counts one duration.
    pub(super) fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns what 99 of 100 durations since the last call did not exceed, and begins anew.
    ///
    /// What is recorded meanwhile counts now or next time, and is not lost.
    pub(super) fn take_p99(&self) -> Option<Duration> {
        let counts = self
            .buckets
            .each_ref()
            .map(|n| n.swap(0, Ordering::Relaxed));
        let total: u64 = counts.iter().copied().map(u64::from).sum();
        let rank = (total * 99).div_ceil(100);
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        let bucket = bucket.filter(|_| total > 0)?;
        Some(Duration::from_micros(highest_of(bucket)))
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies").finish_non_exhaustive()
    }
}

/// Below sixteen a bucket a number; above, the power of two and the bits that follow the first.
fn bucket_of(micros: u64) -> usize {
    let capped = micros.min((1 << POWERS) - 1);
    let power = capped.max(1).ilog2().max(FINENESS) - FINENESS;
    let within = usize::try_from(capped >> power).unwrap_or(usize::MAX);
    power as usize * BUCKETS_A_POWER + within
}

/// The last number that falls into a bucket.
fn highest_of(bucket: usize) -> u64 {
    let power = (bucket / BUCKETS_A_POWER).saturating_sub(1);
    let within = (bucket - power * BUCKETS_A_POWER) as u64;
    ((within + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_number_falls_between_the_ends_of_its_bucket() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(highest_of(bucket)), bucket);
            assert_eq!(
                bucket_of(highest_of(bucket) + 1),
                (bucket + 1).min(BUCKETS - 1)
            );
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_recorded_is_no_percentile_and_a_look_begins_anew() {
        let latencies = Latencies::default();
        assert_eq!(latencies.take_p99(), None);
        latencies.record(Duration::from_micros(7));
        assert_eq!(latencies.take_p99(), Some(Duration::from_micros(7)));
        assert_eq!(latencies.take_p99(), None);
    }

    proptest! {
        #[test]
        fn the_percentile_is_never_too_low_and_at_most_a_sixteenth_too_high(
            mut micros in prop::collection::vec(
                prop_oneof![0..64_u64, 0..100_000_u64, 0..43_200_000_000_u64],
                1..400,
            ),
        ) {
            let latencies = Latencies::default();
            for micros in &micros {
                latencies.record(Duration::from_micros(*micros));
            }
            let told = latencies.take_p99().expect("something was recorded");
            micros.sort_unstable();
            let exact = micros[(micros.len() * 99).div_ceil(100) - 1];
            let told = u64::try_from(told.as_micros()).unwrap();
            prop_assert!(told >= exact, "{told} for {exact}");
            prop_assert!(told - exact <= exact / 16, "{told} for {exact}");
        }
    }
}
