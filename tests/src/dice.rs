//! Numbers by chance, which a seed repeats.

use std::hash::{BuildHasher as _, RandomState};

/// A generator of numbers.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// Takes the seed from the variable `SEED`, or a new one where that is empty.
    ///
    /// # Panics
    ///
    /// It is no number.
    pub fn from_env() -> Self {
        let given = std::env::var("SEED").unwrap_or_default();
        let seed = match given.as_str() {
            "" => RandomState::new().hash_one(()) % 1_000_000,
            given => given.parse().expect("SEED is a number"),
        };
        Self { seed, state: seed }
    }

    /// Returns the seed, for the report.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Draws a number from 0 to below a limit that is above 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}
