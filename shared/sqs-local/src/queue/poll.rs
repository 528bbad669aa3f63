//! Receives that wait for messages.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::receive::{Delivery, Take};
use crate::limits::Millis;

/// Names a waiting receive, in the order of arrival.
pub(crate) type Ticket = u64;

/// A receive that waits: what it wants, how long it stays, and where the answer goes.
///
/// It stays in the queue when its client goes away, as it does in SQS: the messages it gets
/// are invisible then, although nobody saw them.
#[derive(Debug)]
pub(crate) struct Poll {
    pub(crate) take: Take,
    pub(crate) deadline: Millis,
    pub(crate) reply: oneshot::Sender<Vec<Delivery>>,
}

/// The waiting receives of a queue, served in turn.
#[derive(Debug, Default)]
pub(crate) struct Polls {
    waiting: BTreeMap<Ticket, Poll>,
    ticket_next: Ticket,
}

impl Polls {
    pub(crate) fn join(&mut self, poll: Poll) -> Ticket {
        let ticket = self.ticket_next;
        self.ticket_next += 1;
        self.waiting.insert(ticket, poll);
        ticket
    }

    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Poll> {
        self.waiting.remove(&ticket)
    }

    /// Returns the next receive that still waits at the given time, and answers those before it
    /// whose time is over with nothing: unanswered they would take the queue for deleted.
    pub(crate) fn next(&mut self, at: Millis) -> Option<Ticket> {
        while let Some(first) = self.waiting.first_entry() {
            if first.get().deadline > at {
                return Some(*first.key());
            }
            // Nobody may be there any more.
            let _gone = first.remove().reply.send(Vec::new());
        }
        None
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Poll> {
        self.waiting.get(&ticket)
    }

    pub(crate) fn count(&self, at: Millis) -> usize {
        self.waiting
            .values()
            .filter(|poll| poll.deadline > at)
            .count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
