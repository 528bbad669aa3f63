//! What is sent: transfers out of a seed, each known by its number.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::ledger::{ACCOUNTS, SOURCE, Transfer};
use fleet::Event as _;

/// The share of transfers that ask to be refused.
const REFUSED_SHARE: f64 = 0.01;

/// The most that one transfer moves, in minor units.
const AMOUNT_MAX: i64 = 100_000;

/// Spreads consecutive numbers over the seeds: the golden ratio of 64 bits, as in SplitMix64.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the transfer of a number, always the same one for a seed.
pub fn transfer(seed: u64, number: u32) -> Transfer {
    let mut chance = StdRng::seed_from_u64(seed ^ u64::from(number).wrapping_mul(SPREAD));
    let from = chance.random_range(0..ACCOUNTS);
    let distance = chance.random_range(1..ACCOUNTS);
    Transfer {
        from,
        to: (from + distance) % ACCOUNTS,
        amount: chance.random_range(1..=AMOUNT_MAX),
        refused: chance.random_bool(REFUSED_SHARE),
    }
}

/// Returns the event id of a number.
pub fn event_id(number: u32) -> String {
    format!("t-{number}")
}

/// Returns the number of an event id that was made here.
pub fn number_of(id: &str) -> Option<u32> {
    let number = id.strip_prefix("t-")?.parse().ok()?;
    (event_id(number) == id).then_some(number)
}

/// Returns the message of a number: a CloudEvent in JSON.
pub fn body(seed: u64, number: u32) -> String {
    json!({
        "specversion": "1.0",
        "id": event_id(number),
        "source": SOURCE,
        "type": Transfer::TYPE,
        "time": "2026-01-01T00:00:00Z",
        "data": transfer(seed, number),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_deals_the_same_transfers() {
        for number in 0..100 {
            assert_eq!(body(7, number), body(7, number));
        }
        assert_ne!(body(7, 1), body(8, 1));
        assert_ne!(
            transfer(7, 1).amount,
            transfer(7, 2).amount,
            "neighbours are alike"
        );
    }

    #[test]
    fn about_one_in_a_hundred_asks_to_be_refused() {
        let refused = (0..10_000).filter(|number| transfer(7, *number).refused);
        let refused = refused.count();
        assert!((50..200).contains(&refused), "{refused}");
    }

    #[test]
    fn money_always_moves_to_another_account() {
        for number in 0..10_000 {
            let Transfer {
                from, to, amount, ..
            } = transfer(7, number);
            assert!(from != to && amount > 0);
            assert!((0..ACCOUNTS).contains(&from) && (0..ACCOUNTS).contains(&to));
        }
    }

    #[test]
    fn only_ids_that_were_made_here_have_a_number() {
        assert_eq!(number_of(&event_id(17)), Some(17));
        for foreign in ["17", "t-", "t-017", "t-+17", "t--1", "posted-t-17"] {
            assert_eq!(number_of(foreign), None, "{foreign}");
        }
    }
}
