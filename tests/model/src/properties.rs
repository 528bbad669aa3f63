use stateright::Property;

use crate::model::Fleet;
use crate::sights::sights;
use crate::state::{Breach, State};

/// An event has its effect once at most.
pub const NOT_DOUBLED: &str = "an effect is there at most once an event";

/// A sent event is in a queue, is done, or is dead, whatever happens.
pub const NOT_LOST: &str = "no event is lost";

/// Acknowledgement comes last, in the queue and in the dead-letter queue.
pub const NOT_DELETED_EARLY: &str = "nothing is deleted before its effect or its copy is there";

/// Nothing dies of crashes, duplicates, lost answers or lost leases.
pub const NOT_GIVEN_UP_EARLY: &str = "nothing is given up before its attempts are used up";

/// No more attempts are on record than there were failures.
pub const NOT_OVERCHARGED: &str = "nothing is charged that did not fail";

/// Where nothing more can happen, all is done.
pub const SETTLED: &str = "whatever ends is settled";

/// What must hold in every state, and what must be seen in some.
pub fn properties() -> Vec<Property<Fleet>> {
    let promises = [
        Property::always(NOT_DOUBLED, |_, state: &State| {
            state.database.effects.iter().all(|effects| *effects <= 1)
        }),
        Property::always(NOT_LOST, |_, state: &State| lost(state).is_none()),
        Property::always(NOT_DELETED_EARLY, |_, state: &State| {
            state.breach != Some(Breach::DeletedEarly)
        }),
        Property::always(NOT_GIVEN_UP_EARLY, |_, state: &State| {
            state.breach != Some(Breach::GivenUpEarly)
        }),
        Property::always(NOT_OVERCHARGED, |_, state: &State| {
            let messages = state.queue.0.iter().enumerate();
            let mut charges = messages.map(|(id, one)| state.database.charged(id) <= one.failed);
            charges.all(|is_honest| is_honest)
        }),
        Property::always(SETTLED, |fleet: &Fleet, state| {
            state.is_settled() || !fleet.possible(state).is_empty()
        }),
    ];
    promises.into_iter().chain(sights()).collect()
}

/// Returns an event that was sent, and is neither done, nor in a queue, nor dead.
fn lost(state: &State) -> Option<usize> {
    let mut sent = state.queue.0.iter().map(|message| message.event);
    sent.find(|event| {
        state.database.effects[*event] == 0
            && !state.queue.has(*event)
            && !state.letters.has(*event)
    })
}
