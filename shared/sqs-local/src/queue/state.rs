//! The queue itself, and what time does to it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::attempts::Attempts;
use super::deduplication::Deduplication;
use super::duplicate::Deleted;
use super::moves::{Moved, Moves};
use super::poll::{Polls, Ticket};
use super::ready::Ready;
use super::receipt::ReceiptKey;
use super::slab::{Message, Place, Slab, Slot};
use super::tags::Tags;
use super::{QueueAttribute, QueueAttributes};
use crate::error::{Error, ErrorKind};
use crate::limits::{Millis, PURGE_INTERVAL_MS, SECOND};

/// One queue: its messages, ordered by what can happen to them next.
///
/// **Invariant.** A message is in `messages` and `ages` as long as it exists, and besides in
/// exactly one of `ready` (visible) and `hidden` (delayed or in flight). On FIFO queues the line
/// also knows the delayed ones, since they hold back those behind them.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) arn: Arc<str>,
    pub(crate) attributes: QueueAttributes,
    pub(crate) tags: Tags,
    pub(super) key: ReceiptKey,
    pub(super) messages: Slab,
    pub(super) ready: Ready,
    /// Delayed and in flight, by the time they become visible.
    pub(super) hidden: BTreeSet<(Millis, u64, Slot)>,
    /// All, by the time they were sent.
    pub(super) ages: BTreeSet<(Millis, u64, Slot)>,
    pub(super) in_flight: usize,
    pub(super) in_flight_max: usize,
    pub(super) delayed: usize,
    pub(super) seq_next: u64,
    pub(super) deduplication: Deduplication,
    pub(super) attempts: Attempts,
    pub(super) polls: Polls,
    pub(super) deleted: Deleted,
    pub(super) moves: Moves,
    /// Whether there is a dead-letter queue to move to; without one SQS keeps delivering.
    pub(super) has_dead_letter_queue: bool,
    pub(super) moved: VecDeque<Moved>,
    pub(super) rng: StdRng,
    created: Millis,
    modified: Millis,
    purged: Option<Millis>,
}

impl Queue {
    pub(crate) fn new(
        now: Millis,
        arn: Arc<str>,
        attributes: QueueAttributes,
        tags: Tags,
        in_flight_max: usize,
        seed: u64,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            arn,
            key: rng.random(),
            messages: Slab::default(),
            ready: Ready::new(attributes.fifo.is_some()),
            attributes,
            tags,
            hidden: BTreeSet::new(),
            ages: BTreeSet::new(),
            in_flight: 0,
            in_flight_max,
            delayed: 0,
            seq_next: 0,
            deduplication: Deduplication::default(),
            attempts: Attempts::default(),
            polls: Polls::default(),
            deleted: Deleted::default(),
            moves: Moves::default(),
            has_dead_letter_queue: false,
            moved: VecDeque::new(),
            rng,
            created: now,
            modified: now,
            purged: None,
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.attributes.fifo.is_some()
    }

    /// Says whether the queue that the redrive policy names exists.
    pub(crate) fn set_dead_letter_queue(&mut self, exists: bool) {
        self.has_dead_letter_queue = exists;
    }

    /// Catches up with everything that became due, in its order: at each moment messages
    /// expire, then others become visible, then those who wait are served.
    pub(crate) fn advance(&mut self, now: Millis) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            self.expire(due);
            while let Some((_, _, slot)) = self.pop_hidden(due) {
                self.reveal(slot);
            }
            self.serve(due);
        }
        self.expire(now);
        self.deduplication.advance(now);
        self.attempts.advance(now);
    }

    /// Returns when the next message becomes visible.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.hidden.first().map(|(due, _, _)| *due)
    }

    /// Tells whether a receive waits.
    pub(crate) fn has_polls(&self) -> bool {
        !self.polls.is_empty()
    }

    /// Returns how many receives wait.
    pub(crate) fn waiting(&self, now: Millis) -> usize {
        self.polls.count(now)
    }

    /// Ends a waiting receive.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.polls.leave(ticket);
    }

    /// Ends the queue: those who wait are told by the end of their channel.
    pub(crate) fn close(&mut self) {
        self.polls = Polls::default();
    }

    /// Hands over the messages that have to move to other queues, in their order.
    pub(crate) fn take_moved(&mut self) -> VecDeque<Moved> {
        std::mem::take(&mut self.moved)
    }

    /// Removes every message.
    ///
    /// # Errors
    /// `PurgeQueueInProgress` within 60 seconds of the purge before.
    pub(crate) fn purge(&mut self, now: Millis, name: &str) -> Result<(), Error> {
        if self
            .purged
            .is_some_and(|at| now < at.saturating_add(PURGE_INTERVAL_MS))
        {
            return Err(Error::new(
                ErrorKind::PurgeQueueInProgress,
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            ));
        }
        self.purged = Some(now);
        self.messages.clear();
        self.deleted.clear();
        self.ready = Ready::new(self.is_fifo());
        self.hidden.clear();
        self.ages.clear();
        self.in_flight = 0;
        self.delayed = 0;
        Ok(())
    }

    /// Replaces the attributes. A new delay also holds for messages in a FIFO queue already,
    /// not for those of a standard queue (developer guide, "delay queues").
    pub(crate) fn set_attributes(&mut self, now: Millis, attributes: QueueAttributes) {
        let delay_changed = attributes.delay != self.attributes.delay;
        self.attributes = attributes;
        self.modified = now;
        if delay_changed && self.is_fifo() {
            self.delay_again(now);
        }
        self.expire(now);
    }

    fn delay_again(&mut self, now: Millis) {
        let fresh = |message: &Message| {
            message.receives == 0 && !matches!(message.place, Place::InFlight { .. })
        };
        let slots: Vec<Slot> = self
            .messages
            .iter()
            .filter(|(_, message)| fresh(message) && message.content.extras().moved_from.is_none())
            .map(|(slot, _)| slot)
            .collect();
        for slot in slots {
            let message = self.messages.get_mut(slot);
            self.ready.leave(message);
            if let Place::Delayed { until } = message.place {
                self.hidden.remove(&(until, message.seq, slot));
                self.delayed -= 1;
            }
            message.place = Place::Ready { turn: 0 };
            let until = message.content.sent + self.attributes.delay;
            self.stand(now, slot, until);
        }
    }

    /// Puts a message that stands nowhere where it belongs: in the line, or behind its delay.
    pub(super) fn stand(&mut self, now: Millis, slot: Slot, until: Millis) {
        let message = self.messages.get_mut(slot);
        if until <= now {
            self.ready.join(message, slot);
            return;
        }
        message.place = Place::Delayed { until };
        self.ready.join_delayed(message, slot);
        self.hidden.insert((until, message.seq, slot));
        self.delayed += 1;
    }

    /// Makes a message visible that was taken out of `hidden`.
    pub(super) fn reveal(&mut self, slot: Slot) {
        let message = self.messages.get_mut(slot);
        match message.place {
            Place::InFlight { .. } => self.in_flight -= 1,
            Place::Delayed { .. } => self.delayed -= 1,
            Place::Ready { .. } => {}
        }
        self.ready.join(message, slot);
    }

    /// Takes a message out of the queue, wherever it stands.
    pub(super) fn remove(&mut self, slot: Slot) -> Message {
        let message = self.messages.remove(slot);
        self.ready.leave(&message);
        match message.place {
            Place::Ready { .. } => {}
            Place::Delayed { until } => {
                self.hidden.remove(&(until, message.seq, slot));
                self.delayed -= 1;
            }
            Place::InFlight { until, .. } => {
                self.hidden.remove(&(until, message.seq, slot));
                self.in_flight -= 1;
            }
        }
        self.ages.remove(&(message.content.sent, message.seq, slot));
        message
    }

    fn pop_hidden(&mut self, due: Millis) -> Option<(Millis, u64, Slot)> {
        if self.next_due()? > due {
            None
        } else {
            self.hidden.pop_first()
        }
    }

    fn expire(&mut self, now: Millis) {
        let Some(newest) = now.checked_sub(self.attributes.retention) else {
            return;
        };
        while let Some((_, _, slot)) = self.ages.first().filter(|(sent, _, _)| *sent <= newest) {
            self.remove(*slot);
        }
    }

    /// Returns how many messages are neither in flight nor delayed.
    pub(super) fn visible(&self) -> usize {
        self.messages.len() - self.in_flight - self.delayed
    }

    /// Returns the value of an attribute, if the queue has it.
    pub(crate) fn attribute(&self, attribute: QueueAttribute) -> Option<String> {
        use QueueAttribute as A;
        match attribute {
            A::ApproximateNumberOfMessages => Some(self.visible().to_string()),
            A::ApproximateNumberOfMessagesNotVisible => Some(self.in_flight.to_string()),
            A::ApproximateNumberOfMessagesDelayed => Some(self.delayed.to_string()),
            A::CreatedTimestamp => Some((self.created / SECOND).to_string()),
            A::LastModifiedTimestamp => Some((self.modified / SECOND).to_string()),
            A::QueueArn => Some(self.arn.to_string()),
            _ => self.attributes.get(attribute),
        }
    }
}
