//! The line of messages that can be received, in its two forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::groups::Groups;
use super::slab::{Message, Place, Slot};

/// Who comes next.
#[derive(Debug)]
pub(crate) enum Ready {
    /// First come, first served; a message that comes back stands at the end. SQS promises no
    /// order, so neither does this.
    Standard {
        line: BTreeMap<u64, Slot>,
        turn_next: u64,
    },
    /// By group.
    Fifo(Groups),
}

impl Ready {
    pub(crate) fn new(fifo: bool) -> Self {
        if fifo {
            Self::Fifo(Groups::default())
        } else {
            Self::Standard {
                line: BTreeMap::new(),
                turn_next: 0,
            }
        }
    }

    /// Lets a visible message join, or one whose delay or flight ended.
    pub(crate) fn join(&mut self, message: &mut Message, slot: Slot) {
        let came_back = matches!(message.place, Place::InFlight { .. });
        match self {
            Self::Standard { line, turn_next } => {
                line.insert(*turn_next, slot);
                message.place = Place::Ready { turn: *turn_next };
                *turn_next += 1;
            }
            Self::Fifo(groups) => {
                groups.put(group_of(message), message.seq, slot, true);
                if came_back {
                    groups.land(group_of(message));
                }
                message.place = Place::Ready { turn: 0 };
            }
        }
    }

    /// Lets a delayed message keep its place among its group.
    pub(crate) fn join_delayed(&mut self, message: &Message, slot: Slot) {
        if let Self::Fifo(groups) = self {
            groups.put(group_of(message), message.seq, slot, false);
        }
    }

    /// Takes the next message; it counts as in flight from here on.
    pub(crate) fn take(&mut self, current: &mut Option<Arc<str>>) -> Option<Slot> {
        match self {
            Self::Standard { line, .. } => line.pop_first().map(|(_, slot)| slot),
            Self::Fifo(groups) => groups.take(current),
        }
    }

    /// Forgets a message that left the queue, wherever it stood.
    pub(crate) fn leave(&mut self, message: &Message) {
        match (self, message.place) {
            (Self::Standard { line, .. }, Place::Ready { turn }) => {
                line.remove(&turn);
            }
            (Self::Standard { .. }, _) => {}
            (Self::Fifo(groups), Place::InFlight { .. }) => groups.land(group_of(message)),
            (Self::Fifo(groups), _) => groups.forget(group_of(message), message.seq),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Standard { line, .. } => line.is_empty(),
            Self::Fifo(groups) => groups.is_empty(),
        }
    }
}

fn group_of(message: &Message) -> &Arc<str> {
    message
        .content
        .group
        .as_ref()
        .expect("every message of a FIFO queue has a group")
}
