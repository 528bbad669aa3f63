use stateright::{Model, Property};

use crate::design::Design;
use crate::limits::Limits;
use crate::properties::properties;
use crate::replay::Replay;
use crate::state::State;
use crate::surroundings::Event;
use crate::work::Work;

/// A fleet of a design, and how much goes wrong in it.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// How it works on a message.
    pub design: Design,
    /// How large it is.
    pub limits: Limits,
}

/// One step from a state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Something happens around workers and replays.
    Event(Event),
    /// A worker makes a step.
    Worker(usize, Work),
    /// An operator's replay makes a step.
    Operator(usize, Replay),
}

impl Fleet {
    /// Collects what may happen next: all of it, and nothing else.
    pub fn possible(&self, state: &State) -> Vec<Action> {
        let events = Event::possible(state).into_iter().map(Action::Event);
        let workers = (0..self.limits.workers).flat_map(|worker| {
            let works = Work::possible(state, self.design, worker).into_iter();
            works.map(move |work| Action::Worker(worker, work))
        });
        let operators = (0..self.limits.operators).flat_map(|operator| {
            let steps = Replay::possible(state, operator).into_iter();
            steps.map(move |step| Action::Operator(operator, step))
        });
        events.chain(workers).chain(operators).collect()
    }

    /// Returns the state after an action.
    pub fn after(&self, state: &State, action: Action) -> State {
        let mut next = state.clone();
        match action {
            Action::Event(event) => event.happen(&mut next),
            Action::Worker(worker, work) => work.happen(&mut next, self.design, worker),
            Action::Operator(operator, replay) => replay.happen(&mut next, operator),
        }
        next
    }
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(&self.limits)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(self.possible(state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.after(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
