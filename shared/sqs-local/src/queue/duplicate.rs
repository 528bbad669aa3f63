//! At-least-once delivery at its worst: a message that somebody else has, or had, once more.

use std::collections::VecDeque;

use rand::RngExt as _;

use super::receive::{Delivery, Take};
use super::slab::{Message, Place, Slot};
use super::state::Queue;
use crate::limits::{Millis, SECOND};

/// How long after its delete a message may come back. Ours: SQS names no time; this is longer
/// than any consumer keeps what it has just deleted in memory.
const AFTER_DELETE_MS: Millis = 60 * SECOND;

/// How many of the messages deleted last may come back. Ours: enough for variety, and so few that
/// remembering them costs next to nothing.
const DELETED_MAX: usize = 8;

/// How many of the messages in flight are looked at, so that a long list costs nothing.
const IN_FLIGHT_LOOKED_AT: usize = 16;

/// The messages deleted last, the newest at the end.
#[derive(Debug, Default)]
pub(super) struct Deleted(VecDeque<(Millis, Message)>);

impl Deleted {
    pub(super) fn remember(&mut self, now: Millis, message: Message) {
        if self.0.len() == DELETED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, message));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn forget_old(&mut self, now: Millis) {
        self.0
            .retain(|(deleted, _)| now < deleted.saturating_add(AFTER_DELETE_MS));
    }
}

impl Queue {
    /// Hands out a message that is in flight or was deleted lately, with a receipt of its own, if
    /// there is one; standard queues only, since FIFO queues promise not to.
    ///
    /// The receipts before are old from here on: a delete with one of them deletes nothing.
    pub(crate) fn duplicate(&mut self, now: Millis, take: &Take) -> Option<Delivery> {
        if self.is_fifo() {
            return None;
        }
        self.deleted.forget_old(now);
        let held = self.in_flight_slots();
        let deleted = if self.in_flight < self.in_flight_max {
            self.deleted.0.len()
        } else {
            0
        };
        let candidates = held.len() + deleted;
        if candidates == 0 {
            return None;
        }
        let choice = self.rng.random_range(0..candidates);
        let slot = match held.get(choice) {
            Some(slot) => *slot,
            None => self.bring_back(choice - held.len())?,
        };
        Some(self.hand_out_again(now, slot, take))
    }

    fn in_flight_slots(&mut self) -> Vec<Slot> {
        let slots: Vec<Slot> = self
            .hidden
            .iter()
            .map(|(_, _, slot)| *slot)
            .take(IN_FLIGHT_LOOKED_AT)
            .collect();
        slots
            .into_iter()
            .filter(|slot| {
                let place = self.messages.get_mut(*slot).place;
                matches!(place, Place::InFlight { .. }) && !self.is_dead(*slot)
            })
            .collect()
    }

    /// Puts a deleted message where it was: in flight.
    fn bring_back(&mut self, index: usize) -> Option<Slot> {
        let (_, mut message) = self.deleted.0.remove(index)?;
        let (sent, seq) = (message.content.sent, message.seq);
        message.place = Place::InFlight {
            since: 0,
            until: 0,
            changed: true,
        };
        let slot = self.messages.insert(message);
        self.hidden.insert((0, seq, slot));
        self.ages.insert((sent, seq, slot));
        self.in_flight += 1;
        Some(slot)
    }

    fn hand_out_again(&mut self, now: Millis, slot: Slot, take: &Take) -> Delivery {
        let until = now
            + take
                .visibility
                .unwrap_or(self.attributes.visibility_timeout);
        let message = self.messages.get_mut(slot);
        let seq = message.seq;
        if let Place::InFlight { until: before, .. } = message.place {
            self.hidden.remove(&(before, seq, slot));
        }
        message.place = Place::InFlight {
            since: now,
            until,
            changed: false,
        };
        self.hidden.insert((until, seq, slot));
        self.hand_out(now, slot)
    }
}
