use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// The largest body that SQS carries.
///
/// Source: SQS quotas, "Message size".
const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// How often the body of a message stands in memory while its receive is under
/// way: as the answer comes in, as it is put together, and as it is parsed.
const COPIES_UNDER_WAY: u64 = 3;

/// By which part of itself the expectation falls with each receive of smaller
/// bodies: after twenty of them a large one is forgotten, and not after one.
const DECAY: u64 = 8;

/// Bounds the memory of bodies: those in flight, and those that receives may bring.
///
/// How large a body will be is not known before it is there, so the largest
/// one of late is expected again. Bodies of usual size never come near.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: u64,
    in_flight: AtomicU64,
    expected: AtomicU64,
    /// A receive waits for bodies to leave.
    is_awaited: AtomicBool,
    left: Notify,
}

impl Budget {
    /// Starts by expecting the worst.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            in_flight: AtomicU64::new(0),
            expected: AtomicU64::new(BODY_BYTES_MAX),
            is_awaited: AtomicBool::new(false),
            left: Notify::new(),
        }
    }

    /// Returns how many more messages may be asked for, of at most `wanted`, while receives that ask for `asked` are under way.
    ///
    /// It is one at least when there is nothing else. Where it is fewer than
    /// wanted, [`Self::left`] completes when a body leaves.
    pub(super) fn room(&self, asked: usize, wanted: usize) -> usize {
        let room = self.room_now(asked);
        if room >= wanted {
            return wanted;
        }
        self.is_awaited.store(true, Ordering::SeqCst);
        // What left between the look and the note is not missed.
        self.room_now(asked).min(wanted)
    }

    fn room_now(&self, asked: usize) -> usize {
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        let expected = self.expected.load(Ordering::Relaxed).max(1);
        let bodies = self.bytes_max.saturating_sub(in_flight) / (expected * COPIES_UNDER_WAY);
        let bodies = usize::try_from(bodies).unwrap_or(usize::MAX);
        match bodies.saturating_sub(asked) {
            0 if in_flight == 0 && asked == 0 => 1,
            room => room,
        }
    }

    /// Waits until a body has left.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by it.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    /// Learns from the bodies that a receive has brought.
    pub(super) fn learn(&self, bytes: impl Iterator<Item = u64>) {
        if let Some(largest) = bytes.max() {
            let before = self.expected.load(Ordering::Relaxed);
            let faded = before - before.div_ceil(DECAY);
            self.expected.store(faded.max(largest), Ordering::Relaxed);
        }
    }

    /// Counts a body in.
    pub(super) fn enter(&self, bytes: u64) {
        self.in_flight.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Counts a body out.
    pub(super) fn leave(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::SeqCst);
        if self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst) {
            self.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn at_first_the_largest_bodies_are_expected() {
        let budget = Budget::new(32 * MIB);
        assert_eq!(budget.room(0, 10), 10);
        assert_eq!(budget.room(10, 10), 0);
        assert_eq!(budget.room(4, 10), 6);
    }

    #[test]
    fn small_bodies_never_feel_it_and_a_large_one_is_remembered_for_a_while() {
        let budget = Budget::new(32 * MIB);
        for _ in 0..100 {
            budget.learn([500, 2_000].into_iter());
        }
        budget.enter(640 * 2_000);
        assert_eq!(budget.room(640, 10), 10);
        budget.learn([500, MIB].into_iter());
        assert_eq!(budget.room(640, 10), 0);
        budget.learn([500].into_iter());
        assert_eq!(budget.room(640, 10), 0);
        (0..60).for_each(|_| budget.learn([500].into_iter()));
        assert_eq!(budget.room(640, 10), 10);
    }

    #[tokio::test]
    async fn one_message_is_always_possible_and_a_body_that_leaves_wakes_who_waits() {
        let budget = Budget::new(MIB);
        assert_eq!(budget.room(0, 10), 1);
        assert_eq!(budget.room(1, 10), 0);
        budget.enter(2 * MIB);
        assert_eq!(budget.room(0, 10), 0);
        budget.leave(2 * MIB);
        budget.left().await;
        assert_eq!(budget.room(0, 10), 1);
    }

    proptest! {
        #[test]
        fn bodies_of_the_expected_size_stay_within_the_budget(
            max in MIB..64 * MIB, size in 1..=MIB, steps in prop::collection::vec(any::<bool>(), 1..300),
        ) {
            let budget = Budget::new(max);
            (0..200).for_each(|_| budget.learn(std::iter::once(size)));
            let (mut asked, mut held) = (0, 0);
            for receives in steps {
                let room = budget.room(asked, 10);
                if receives && room > 0 {
                    asked += room;
                } else if asked > 0 {
                    (0..asked).for_each(|_| budget.enter(size));
                    held += asked;
                    asked = 0;
                } else if held > 0 {
                    budget.leave(size);
                    held -= 1;
                }
                let bytes = held as u64 * size + asked as u64 * size * COPIES_UNDER_WAY;
                prop_assert!(bytes <= max.max(size * COPIES_UNDER_WAY));
            }
        }
    }
}
