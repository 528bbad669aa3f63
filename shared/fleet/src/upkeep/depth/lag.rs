use std::time::Duration;

use jiff::Timestamp;

use super::age;
use crate::store::DepthMemory;

/// How long a queue has to be counted as empty until it is believed, when nobody has received what
/// it held before.
///
/// Source: SQS developer guide: its counts can be wrong for about a minute.
pub(super) const EMPTY_MIN: Duration = Duration::from_secs(60);

/// How long after a receive its messages still tell how long one waits: two looks.
const LATELY: Duration = Duration::from_secs(30);

/// Processes that received this far apart tell of the same time.
const TOGETHER: Duration = Duration::from_secs(10);

/// When a process last received something, and when the oldest was sent that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) at: Timestamp,
    pub(super) oldest_sent: Timestamp,
}

/// Tells how long the oldest message has waited for its receive, from the queue's backlog and from
/// what each process received last. SQS itself does not tell it.
///
/// - While there is a backlog, the messages that were received last tell how old those are that
///   remain: the lag is the time since the oldest of them was sent, and goes on growing when
///   nothing is received any more. Where nothing was received since the backlog was first seen, it
///   is the time since then.
/// - Without a backlog it is how old messages were that were received lately, and soon 0.
///
/// SQS may miscount. A queue that is suddenly empty although nobody received anything is believed
/// after [`EMPTY_MIN`]: until then its backlog counts from when it was first seen. The lag is too
/// low by the time between two looks at most when a backlog is new, and too high by the few
/// seconds that pass until receives are known here.
pub(super) fn lag(
    memory: &mut DepthMemory,
    backlog: u64,
    received: &[Received],
    now: Timestamp,
) -> Duration {
    learn(memory, received);
    let last = memory.received_at.zip(memory.oldest_sent);
    if backlog > 0 {
        // At the very first look, what was just received is part of what waits.
        let begun = match (memory.empty_since.take(), last) {
            (None, Some((at, _))) if age(now, at) < LATELY => at,
            _ => now,
        };
        let since = *memory.waiting_since.get_or_insert(begun);
        return match last {
            Some((at, oldest_sent)) if at >= since => age(now, oldest_sent),
            _ => age(now, since),
        };
    }
    let empty_since = *memory.empty_since.get_or_insert(now);
    let was_received = last.map(|(at, _)| at) >= memory.waiting_since;
    if was_received || age(now, empty_since) >= EMPTY_MIN {
        memory.waiting_since = None;
    }
    match last {
        Some((at, oldest_sent)) if age(now, at) < LATELY => age(at, oldest_sent),
        _ => Duration::ZERO,
    }
}

/// Keeps what was received last, by whichever process.
fn learn(memory: &mut DepthMemory, received: &[Received]) {
    let Some(last) = received.iter().map(|one| one.at).max() else {
        return;
    };
    if memory.received_at.is_some_and(|known| known >= last) {
        return;
    }
    let together = received.iter().filter(|one| age(last, one.at) <= TOGETHER);
    memory.received_at = Some(last);
    memory.oldest_sent = together.map(|one| one.oldest_sent).min();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What a look at a second finds: the backlog, and receives as (at, oldest sent).
    type Look = (i64, u64, &'static [(i64, i64)]);

    fn lags(looks: &[Look]) -> Vec<u64> {
        let mut memory = DepthMemory::default();
        let looks = looks.iter().map(|(second, backlog, received)| {
            let received: Vec<_> = received
                .iter()
                .map(|(received, sent)| Received {
                    at: at(*received),
                    oldest_sent: at(*sent),
                })
                .collect();
            lag(&mut memory, *backlog, &received, at(*second)).as_secs()
        });
        looks.collect()
    }

    #[test]
    fn the_lag_follows_what_waits_and_what_is_received() {
        let cases: &[(&str, &[Look], &[u64])] = &[
            (
                "nothing ever happened",
                &[(0, 0, &[]), (15, 0, &[])],
                &[0, 0],
            ),
            (
                "nobody receives",
                &[(0, 0, &[]), (15, 7, &[]), (30, 9, &[]), (315, 9, &[])],
                &[0, 0, 15, 300],
            ),
            (
                "a queue that was idle for hours does not lag at its first message",
                &[
                    (0, 0, &[(0, 0)]),
                    (9_000, 1, &[(0, 0)]),
                    (9_015, 1, &[(0, 0)]),
                ],
                &[0, 0, 15],
            ),
            (
                "who keeps up has next to none, whatever the count says",
                &[
                    (0, 3, &[(0, 0)]),
                    (15, 4, &[(14, 13)]),
                    (600, 2, &[(599, 598)]),
                ],
                &[0, 2, 2],
            ),
            (
                "who is behind lags by the age of what is received, and more once it stops",
                &[
                    (0, 900, &[(0, -600)]),
                    (15, 900, &[(14, -590)]),
                    (75, 900, &[(14, -590)]),
                ],
                &[600, 605, 665],
            ),
            (
                "an empty queue tells of what it held for two looks",
                &[
                    (0, 5, &[]),
                    (15, 0, &[(10, -40)]),
                    (30, 0, &[(10, -40)]),
                    (45, 0, &[(10, -40)]),
                ],
                &[0, 50, 50, 0],
            ),
            (
                "the slowest of the processes that receive counts, and an old receive does not",
                &[(100, 5, &[(99, 98), (95, 50), (20, -900)])],
                &[50],
            ),
        ];
        for (what, looks, expected) in cases {
            assert_eq!(&lags(looks), expected, "{what}");
        }
    }

    #[test]
    fn a_wrong_count_of_nothing_does_not_make_a_stalled_queue_young() {
        let looks: &[Look] = &[(0, 5, &[]), (300, 5, &[]), (315, 0, &[]), (330, 5, &[])];
        assert_eq!(lags(looks), [0, 300, 0, 330]);
        let emptied: &[Look] = &[
            (0, 5, &[]),
            (300, 5, &[]),
            (315, 0, &[]),
            (375, 0, &[]),
            (390, 1, &[]),
        ];
        assert_eq!(lags(emptied), [0, 300, 0, 0, 0], "purged, or expired");
        let received: &[Look] = &[(0, 5, &[]), (15, 0, &[(14, 0)]), (90, 1, &[(14, 0)])];
        assert_eq!(lags(received), [0, 14, 0], "worked off");
    }

    #[test]
    fn clocks_that_disagree_make_no_lag_negative() {
        assert_eq!(lags(&[(0, 5, &[(50, 60)]), (15, 0, &[(50, 60)])]), [0, 0]);
    }
}
