//! Receives of a FIFO queue that can be repeated, because they carried an id.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::receipt::Receipt;
use super::receive::{Delivery, Take};
use super::settle::visibility_max;
use super::slab::{Message, Place, Slot};
use super::state::Queue;
use crate::error::Error;
use crate::limits::{Millis, RECEIVE_ATTEMPT_MS};

/// What receives handed out in the last five minutes, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    handed_out: HashMap<Arc<str>, (Millis, Vec<Receipt>)>,
    order: VecDeque<(Millis, Arc<str>)>,
}

impl Attempts {
    /// Forgets what is too old.
    pub(crate) fn advance(&mut self, now: Millis) {
        while let Some((at, id)) = self.order.pop_front() {
            if now < at.saturating_add(RECEIVE_ATTEMPT_MS) {
                self.order.push_front((at, id));
                return;
            }
            // An id that was given to another receive meanwhile lives on.
            if self
                .handed_out
                .get(&id)
                .is_some_and(|(given, _)| *given == at)
            {
                self.handed_out.remove(&id);
            }
        }
    }

    fn find(&self, id: &str) -> Option<&[Receipt]> {
        self.handed_out.get(id).map(|(_, receipts)| &receipts[..])
    }

    fn remember(&mut self, now: Millis, id: &Arc<str>, receipts: Vec<Receipt>) {
        self.handed_out.insert(Arc::clone(id), (now, receipts));
        self.order.push_back((now, Arc::clone(id)));
    }
}

impl Queue {
    /// Repeats an earlier receive: the same messages with the same receipts, invisible for a full
    /// visibility timeout from now. It is possible for five minutes, and as long as every one of
    /// them is as it was handed out; otherwise `None`, and the receive is a new one. One that asks
    /// for fewer than the first gets the first of them.
    ///
    /// # Errors
    /// `InvalidParameterValue` for an id on a standard queue.
    pub(super) fn repeat(
        &mut self,
        now: Millis,
        take: &Take,
    ) -> Result<Option<Vec<Delivery>>, Error> {
        let Some(id) = &take.attempt else {
            return Ok(None);
        };
        if !self.is_fifo() {
            return Err(Error::invalid_value(
                id,
                "ReceiveRequestAttemptId",
                "The request include parameter that is not valid for this queue type.",
            ));
        }
        let Some(receipts) = self.attempts.find(id) else {
            return Ok(None);
        };
        if !receipts.iter().all(|receipt| self.is_untouched(receipt)) {
            return Ok(None);
        }
        let receipts = receipts.iter().take(take.max);
        let slots: Vec<Slot> = receipts.map(|receipt| receipt.slot).collect();
        let span = take
            .visibility
            .unwrap_or(self.attributes.visibility_timeout);
        let deliveries = slots.into_iter().map(|slot| {
            self.hide_again(now, slot, span);
            self.delivery(now, slot)
        });
        Ok(Some(deliveries.collect()))
    }

    /// Notes what a receive with an id handed out.
    pub(super) fn remember_attempt(&mut self, now: Millis, id: &Arc<str>, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let handles = deliveries
            .iter()
            .map(|delivery| delivery.receipt_handle.as_str());
        let receipts = handles.filter_map(|handle| Receipt::decode(handle, self.key).ok());
        self.attempts.remember(now, id, receipts.collect());
    }

    fn is_untouched(&self, receipt: &Receipt) -> bool {
        let message = self.messages.find(receipt.slot, receipt.seq);
        message.is_some_and(|message: &Message| {
            message.receives == receipt.receive
                && matches!(message.place, Place::InFlight { changed: false, .. })
        })
    }

    fn hide_again(&mut self, now: Millis, slot: Slot, span: Millis) {
        let message = self.messages.get_mut(slot);
        let Place::InFlight { since, until, .. } = message.place else {
            return;
        };
        self.hidden.remove(&(until, message.seq, slot));
        let until = (now + span).min(since + visibility_max());
        message.place = Place::InFlight {
            since,
            until,
            changed: false,
        };
        self.hidden.insert((until, message.seq, slot));
    }
}
