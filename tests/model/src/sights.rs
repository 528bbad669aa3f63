use stateright::Property;

use crate::hand::{Hand, Step};
use crate::model::Fleet;
use crate::operator::Stage;
use crate::queue::Place;
use crate::state::State;
use crate::verdict::Outcome;

/// What shows that the model gets where it is interesting.
pub(crate) fn sights() -> impl Iterator<Item = Property<Fleet>> {
    let of_work = of_deliveries().into_iter().chain(of_claims());
    of_work.chain(of_replays())
}

/// Messages that come more than once.
fn of_deliveries() -> [Property<Fleet>; 4] {
    [
        Property::sometimes(
            "a worker died between its commit and its delete",
            |fleet: &Fleet, state: &State| {
                let is_pure = state.left.lost == fleet.limits.faults.lost
                    && state.left.overruns == fleet.limits.faults.overruns;
                let mut messages = state.queue.0.iter();
                is_pure
                    && messages.any(|one| {
                        one.place == Place::Hidden(None) && state.database.effects[one.event] == 1
                    })
            },
        ),
        Property::sometimes(
            "a duplicate is about to be deleted and no more",
            |_, state: &State| {
                hands(state).any(|hand| hand.step == Step::Ended(Outcome::Duplicate))
            },
        ),
        Property::sometimes("two workers have the same message", |_, state: &State| {
            let mut first = hands(state);
            first.any(|one| {
                hands(state)
                    .filter(|two| one.message == two.message)
                    .count()
                    > 1
            })
        }),
        Property::sometimes(
            "a message that is deleted is worked on again",
            |_, state: &State| hands(state).any(|hand| !state.queue.0[hand.message].is_there()),
        ),
    ]
}

/// Events that several could have done, or that one has done and does not know.
fn of_claims() -> [Property<Fleet>; 4] {
    [
        Property::sometimes(
            "a worker waits for the claim of another one",
            |_, state: &State| {
                let mut ready = hands(state).filter(|hand| hand.step == Step::Ready);
                ready.any(|hand| {
                    let event = state.queue.0[hand.message].event;
                    state.database.open.iter().any(|open| open.event == event)
                })
            },
        ),
        Property::sometimes(
            "a commit without an answer took place",
            |_, state: &State| unanswered(state).any(|event| state.database.effects[event] == 1),
        ),
        Property::sometimes(
            "a commit without an answer did not take place",
            |_, state: &State| {
                let open = &state.database.open;
                unanswered(state).any(|event| {
                    state.database.effects[event] == 0
                        && open.iter().all(|open| open.event != event)
                })
            },
        ),
        Property::sometimes(
            "an event that was done is copied as dead all the same",
            |_, state: &State| {
                let mut letters = state.letters.0.iter();
                letters.any(|letter| letter.is_there() && state.database.effects[letter.event] == 1)
            },
        ),
    ]
}

/// Dead letters on their way back.
fn of_replays() -> [Property<Fleet>; 4] {
    [
        Property::sometimes(
            "a message has its effect after its replay",
            |_, state: &State| {
                let mut done =
                    hands(state).filter(|one| one.step == Step::Ended(Outcome::Processed));
                done.any(|hand| state.queue.0[hand.message].replay_no > 0)
            },
        ),
        Property::sometimes("a letter is sent back twice", |_, state: &State| {
            let sent = |letter| {
                let messages = state.queue.0.iter();
                messages.filter(|one| one.copy_of == Some(letter)).count()
            };
            (0..state.letters.0.len()).any(|letter| sent(letter) > 1)
        }),
        Property::sometimes(
            "a letter is settled as the copy of another one",
            |_, state: &State| {
                let mut held = state.operators.iter().filter_map(|operator| operator.held);
                held.any(|held| match held.stage {
                    Stage::Sent(message) => state.queue.0[message].copy_of != Some(held.letter),
                    _ => false,
                })
            },
        ),
        Property::sometimes(
            "an event dies again after its replay",
            |_, state: &State| state.letters.0.iter().any(|letter| letter.replay_no > 0),
        ),
    ]
}

fn hands(state: &State) -> impl Iterator<Item = &Hand> {
    state.workers.iter().flatten()
}

/// Returns the events whose commit had no answer, as their workers still know.
fn unanswered(state: &State) -> impl Iterator<Item = usize> {
    let hands = hands(state).filter(|hand| hand.step == Step::Ended(Outcome::Unavailable));
    hands.map(|hand| state.queue.0[hand.message].event)
}
