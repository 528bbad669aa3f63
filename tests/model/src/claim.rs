use crate::database::Transaction;
use crate::design::{Design, Key};
use crate::hand::{Hand, Step};
use crate::limits::ATTEMPTS_MAX;
use crate::state::State;
use crate::verdict::Outcome;

/// Returns what is claimed for the message in hand.
fn key(state: &State, design: Design, hand: &Hand) -> Option<Key> {
    design.key(state.queue.0[hand.message].event, hand.message)
}

/// Tells whether another transaction has inserted the claim, so that a worker waits for its end.
pub(crate) fn is_locked(state: &State, design: Design, hand: &Hand) -> bool {
    key(state, design, hand).is_some_and(|key| state.database.is_locked(key))
}

fn is_claimed(state: &State, design: Design, hand: &Hand) -> bool {
    key(state, design, hand).is_some_and(|key| state.database.inbox.contains(&key))
}

/// Learns whether a message is done and what it was charged, if it comes again.
pub(crate) fn look(state: &State, design: Design, hand: &mut Hand) {
    hand.step = Step::Ready;
    if !hand.is_again {
        return;
    }
    hand.charged = state.database.charged(hand.message);
    if is_claimed(state, design, hand) {
        hand.step = Step::Ended(Outcome::Duplicate);
    } else if hand.charged >= ATTEMPTS_MAX {
        hand.step = Step::Ended(Outcome::UsedUp);
    }
}

/// Opens a transaction with claim and effect, if the event is not done.
pub(crate) fn begin(state: &mut State, design: Design, worker: usize, hand: &mut Hand) {
    if is_claimed(state, design, hand) {
        hand.step = Step::Ended(Outcome::Duplicate);
        return;
    }
    let mut claim = key(state, design, hand);
    if design == Design::ClaimInItsOwnTransaction {
        state.database.inbox.extend(claim.take());
    }
    state.database.open(Transaction {
        worker: Some(worker),
        event: state.queue.0[hand.message].event,
        claim,
    });
    hand.step = Step::Open;
}
