use std::ops::RangeInclusive;
use std::time::Duration;

/// A small random generator: the same seed and stream give the same draws for ever.
///
/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014): a draw is a few instructions, also in a build without
/// optimisation, and seeds that follow each other have nothing in common.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// Begins one of the streams of a seed; what one part draws changes nothing for the others.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed);
        Self(mixed.next() ^ stream.wrapping_mul(GAMMA))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Draws a number of a range.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let size = range.end() - range.start() + 1;
        range.start() + self.next() % size
    }

    /// Tells, so many times of a thousand, yes.
    pub(crate) fn permille(&mut self, rate: u64) -> bool {
        self.next() % 1_000 < rate
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        let drawn = self.next() % length.max(1) as u64;
        usize::try_from(drawn).expect("it is less than a length")
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub(crate) fn secs(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.within(range))
    }
}
