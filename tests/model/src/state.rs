use crate::database::Database;
use crate::hand::Hand;
use crate::limits::{Faults, Limits};
use crate::operator::Operator;
use crate::queue::Queue;

/// Everything there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which events their producer still has to send.
    pub unsent: Vec<usize>,
    /// The queue.
    pub queue: Queue,
    /// The dead-letter queue.
    pub letters: Queue,
    /// What each worker has in hand.
    pub workers: Vec<Option<Hand>>,
    /// Postgres.
    pub database: Database,
    /// Those who replay.
    pub operators: Vec<Operator>,
    /// What may still go wrong.
    pub left: Faults,
    /// What was done that must never be, as no state shows it afterwards.
    pub breach: Option<Breach>,
}

/// A step that must never be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// A message was deleted before its effect was committed or its copy was there.
    DeletedEarly,
    /// A message was given up before its attempts were used up.
    GivenUpEarly,
}

impl State {
    /// Begins with nothing but events to send.
    pub fn first(limits: &Limits) -> Self {
        Self {
            unsent: (0..limits.events).collect(),
            queue: Queue::default(),
            letters: Queue::default(),
            workers: vec![None; limits.workers],
            database: Database {
                effects: vec![0; limits.events],
                ..Database::default()
            },
            operators: vec![Operator::default(); limits.operators],
            left: limits.faults,
            breach: None,
        }
    }

    /// Deletes a message of the queue, and notes if that was too early.
    pub fn delete(&mut self, message: usize) {
        let event = self.queue.0[message].event;
        let mut copies = self.letters.0.iter();
        let is_safe = self.database.effects[event] > 0
            || copies.any(|letter| letter.copy_of == Some(message));
        if self.queue.0[message].is_there() && !is_safe {
            self.breach = Some(Breach::DeletedEarly);
        }
        self.queue.delete(message);
    }

    /// Tells whether all is done that there is to do: each event has had its effect, and both
    /// queues are empty. Without operators the dead stay dead.
    pub fn is_settled(&self) -> bool {
        let stays_dead = |event| self.operators.is_empty() && self.letters.has(event);
        let mut effects = self.database.effects.iter().enumerate();
        self.unsent.is_empty()
            && self.queue.is_empty()
            && (self.letters.is_empty() || self.operators.is_empty())
            && effects.all(|(event, effects)| *effects == 1 || stays_dead(event))
    }
}
