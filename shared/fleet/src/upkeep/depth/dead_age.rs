use std::time::Duration;

use jiff::Timestamp;

use super::age;
use crate::store::DepthMemory;

/// How long a dead-letter queue has to be counted as empty until it is believed. What is forgotten
/// by mistake would count as young, and could expire before anybody was told.
///
/// Source: SQS developer guide: its counts can be wrong for a minute and more.
const EMPTY_MIN: Duration = Duration::from_secs(300);

/// Notes how many letters a dead-letter queue holds, and returns until when it surely was empty, if
/// there are any. One that is full at the first look counts from then.
///
/// SQS does not tell how old a letter is. Where the fleet's own records speak of as many letters as
/// there are, the oldest of these counts. Otherwise some came by the redrive policy or from
/// elsewhere, and the time since the queue was last seen empty counts: too high rather than too
/// low, so that nothing expires unsaid.
pub(super) fn note(memory: &mut DepthMemory, letters: u64, now: Timestamp) -> Option<Timestamp> {
    if letters > 0 {
        memory.dead_empty_since = None;
        return Some(*memory.dead_empty_until.get_or_insert(now));
    }
    let since = *memory.dead_empty_since.get_or_insert(now);
    if age(now, since) >= EMPTY_MIN {
        memory.dead_empty_until = Some(now);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ages(looks: &[(i64, u64)]) -> Vec<u64> {
        let mut memory = DepthMemory::default();
        let looks = looks.iter().map(|(second, letters)| {
            let empty_until = note(&mut memory, *letters, at(*second));
            empty_until.map_or(0, |since| age(at(*second), since).as_secs())
        });
        looks.collect()
    }

    #[test]
    fn letters_age_from_when_their_queue_was_last_surely_empty() {
        type Case<'a> = (&'a str, &'a [(i64, u64)], &'a [u64]);
        let cases: &[Case<'_>] = &[
            ("empty", &[(0, 0), (900, 0)], &[0, 0]),
            ("full at the first look", &[(0, 3), (900, 3)], &[0, 900]),
            (
                "filled after a while",
                &[(0, 0), (300, 0), (315, 1), (330, 1)],
                &[0, 0, 15, 30],
            ),
            (
                "a wrong count of nothing makes none young",
                &[(0, 2), (900, 0), (915, 2)],
                &[0, 0, 915],
            ),
            (
                "emptied for long enough",
                &[(0, 2), (900, 0), (1_200, 0), (1_215, 1)],
                &[0, 0, 0, 15],
            ),
        ];
        for (what, looks, expected) in cases {
            assert_eq!(&ages(looks), expected, "{what}");
        }
    }
}
