//! Where a queue keeps its messages: slots that are used again.

use std::sync::Arc;

use crate::limits::Millis;
use crate::message::Content;

/// Names a slot. What it holds may have changed; the sequence tells.
pub(crate) type Slot = u32;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It can be received, as far as it is concerned.
    Ready {
        /// Its place in the line; on FIFO queues the line has its own.
        turn: u64,
    },
    /// It waits out its delay.
    Delayed { until: Millis },
    /// It was received and is invisible.
    InFlight {
        since: Millis,
        until: Millis,
        /// Whether somebody changed its visibility since it was received.
        changed: bool,
    },
}

/// A message and where it stands.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) content: Arc<Content>,
    /// Grows with each message that enters the queue.
    pub(crate) seq: u64,
    /// How often this queue handed it out.
    pub(crate) receives: u32,
    pub(crate) first_received: Option<Millis>,
    pub(crate) place: Place,
}

/// Messages by slot. A slab, because a queue is mostly read in the order it was written, and
/// neighbours in a slab are neighbours in the cache: a backlog of 200,000 costs like one of 1,000.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    slots: Vec<Option<Message>>,
    free: Vec<Slot>,
}

impl Slab {
    pub(crate) fn insert(&mut self, message: Message) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.slots[index(slot)] = Some(message);
            return slot;
        }
        let slot = Slot::try_from(self.slots.len()).expect("a queue holds less than 2^32 messages");
        self.slots.push(Some(message));
        slot
    }

    /// Returns the message of a slot, if it is still the one with this sequence.
    pub(crate) fn find(&self, slot: Slot, seq: u64) -> Option<&Message> {
        self.slots
            .get(index(slot))?
            .as_ref()
            .filter(|message| message.seq == seq)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Message {
        self.slots[index(slot)]
            .as_mut()
            .expect("an index of a queue names a message that exists")
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Message {
        self.free.push(slot);
        self.slots[index(slot)]
            .take()
            .expect("an index of a queue names a message that exists")
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Visits every message with its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Message)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(slot, message)| Some((slot, message.as_ref()?)))
    }
}

fn index(slot: Slot) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}
