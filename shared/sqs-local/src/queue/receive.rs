//! How messages are handed out, at once or to those who wait.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::moves::{Moved, Why};
use super::poll::{Poll, Ticket};
use super::receipt::{Receipt, ReceiptHandle};
use super::slab::{Place, Slot};
use super::state::Queue;
use crate::error::{Error, ErrorKind};
use crate::limits::Millis;
use crate::message::Content;

/// What a receive wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Take {
    pub(crate) max: usize,
    /// For how long the messages are invisible; `None` is what the queue says at that moment.
    pub(crate) visibility: Option<Millis>,
    /// Names the receive, so that it can be repeated.
    pub(crate) attempt: Option<Arc<str>>,
}

/// A message handed out.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) content: Arc<Content>,
    pub(crate) receipt_handle: ReceiptHandle,
    /// By all queues.
    pub(crate) receive_count: u32,
    pub(crate) first_received: Millis,
}

/// What a receive gets.
#[derive(Debug)]
pub(crate) enum Received {
    /// Its answer.
    Now(Vec<Delivery>),
    /// A place among those who wait.
    Waiting {
        ticket: Ticket,
        deadline: Millis,
        answer: oneshot::Receiver<Vec<Delivery>>,
    },
}

impl Queue {
    /// Hands out messages, or lets the receive wait if there are none.
    ///
    /// # Errors
    /// `OverLimit` for a receive that does not wait, on a standard queue with too many
    /// messages in flight; one that waits gets nothing, silently. `InvalidParameterValue` for an
    /// attempt id on a standard queue.
    pub(crate) fn receive(
        &mut self,
        now: Millis,
        take: Take,
        wait: Millis,
    ) -> Result<Received, Error> {
        if wait == 0 && !self.is_fifo() && self.in_flight >= self.in_flight_max {
            return Err(Error::new(
                ErrorKind::OverLimit,
                "The maximum number of in flight messages is reached.",
            ));
        }
        if let Some(deliveries) = self.repeat(now, &take)? {
            return Ok(Received::Now(deliveries));
        }
        let deliveries = self.take(now, &take);
        if wait == 0 || !deliveries.is_empty() {
            return Ok(Received::Now(deliveries));
        }
        let (reply, answer) = oneshot::channel();
        let deadline = now + wait;
        // Receives whose client went away end here, if no message ended them.
        self.polls.next(now);
        let ticket = self.polls.join(Poll {
            take,
            deadline,
            reply,
        });
        Ok(Received::Waiting {
            ticket,
            deadline,
            answer,
        })
    }

    /// Serves those who wait at the given time, in the order in which they came.
    pub(crate) fn serve(&mut self, at: Millis) {
        while !self.ready.is_empty() && self.in_flight < self.in_flight_max {
            let Some(ticket) = self.polls.next(at) else {
                return;
            };
            let Some(take) = self.polls.get(ticket).map(|poll| poll.take.clone()) else {
                return;
            };
            let deliveries = self.take(at, &take);
            if deliveries.is_empty() {
                continue;
            }
            if let Some(poll) = self.polls.leave(ticket) {
                // Nobody may be there to see them: they are in flight all the same.
                let _unseen = poll.reply.send(deliveries);
            }
        }
    }

    fn take(&mut self, now: Millis, take: &Take) -> Vec<Delivery> {
        if self.ready.is_empty() {
            return Vec::new();
        }
        let mut deliveries = Vec::with_capacity(take.max);
        let mut group = None;
        let until = now
            + take
                .visibility
                .unwrap_or(self.attributes.visibility_timeout);
        while deliveries.len() < take.max && self.in_flight < self.in_flight_max {
            let Some(slot) = self.take_off(now, until, &mut group) else {
                break;
            };
            if self.is_dead(slot) {
                self.give_up(slot);
            } else {
                deliveries.push(self.hand_out(now, slot));
            }
        }
        if let Some(id) = &take.attempt {
            self.remember_attempt(now, id, &deliveries);
        }
        deliveries
    }

    /// Takes the next message out of the line; it is in flight from here on.
    pub(super) fn take_off(
        &mut self,
        now: Millis,
        until: Millis,
        group: &mut Option<Arc<str>>,
    ) -> Option<Slot> {
        let slot = self.ready.take(group)?;
        let message = self.messages.get_mut(slot);
        message.place = Place::InFlight {
            since: now,
            until,
            changed: false,
        };
        self.hidden.insert((until, message.seq, slot));
        self.in_flight += 1;
        Some(slot)
    }

    pub(super) fn hand_out(&mut self, now: Millis, slot: Slot) -> Delivery {
        let message = self.messages.get_mut(slot);
        message.receives += 1;
        message.first_received.get_or_insert(now);
        self.delivery(now, slot)
    }

    /// Describes the latest receive of a message.
    pub(super) fn delivery(&mut self, now: Millis, slot: Slot) -> Delivery {
        let key = self.key;
        let message = self.messages.get_mut(slot);
        let first_received = message.first_received.unwrap_or(now);
        let receipt = Receipt {
            seq: message.seq,
            slot,
            receive: message.receives,
        };
        Delivery {
            receipt_handle: receipt.encode(key),
            receive_count: message.content.extras().received_before + message.receives,
            first_received,
            content: Arc::clone(&message.content),
        }
    }

    /// Tells whether a message was received as often as the redrive policy allows.
    pub(super) fn is_dead(&mut self, slot: Slot) -> bool {
        let Some(policy) = &self.attributes.redrive else {
            return false;
        };
        let max = policy.max_receive_count;
        self.has_dead_letter_queue && self.messages.get_mut(slot).receives >= max
    }

    fn give_up(&mut self, slot: Slot) {
        let Some(policy) = &self.attributes.redrive else {
            return;
        };
        let target = policy.target_name().to_owned();
        let message = self.remove(slot);
        let mut content = Arc::unwrap_or_clone(message.content);
        let extras = content.extras_mut();
        extras.received_before += message.receives;
        extras.first_received = message.first_received;
        extras.moved_from = Some(Arc::clone(&self.arn));
        self.moved.push_back(Moved {
            target,
            content,
            why: Why::Dead,
        });
    }
}
