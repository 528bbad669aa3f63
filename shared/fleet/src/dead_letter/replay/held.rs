use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::message::{Message, MessageId, Receipt};

/// What was received and is still in the queue: not meant, not sent, or about to be.
///
/// It is given back at the end by every receipt: answers overtake each other, and only SQS knows
/// which one is the newest.
#[derive(Debug, Default)]
pub(super) struct Held {
    receipts: Mutex<HashMap<MessageId, Vec<Receipt>>>,
}

impl Held {
    /// Notes a receive of a message, and tells whether it is the first one.
    pub(super) fn note(&self, message: &Message) -> bool {
        let mut held = self.lock();
        let receipts = held.entry(message.id.clone()).or_default();
        receipts.push(message.receipt.clone());
        receipts.len() == 1
    }

    /// Forgets a message: it is gone, or to be met again.
    pub(super) fn forget(&self, id: &MessageId) {
        self.lock().remove(id);
    }

    /// Tells whether a message is among them.
    pub(super) fn has(&self, id: &str) -> bool {
        self.lock().contains_key(&MessageId(id.to_owned()))
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Takes all receipts.
    pub(super) fn take(&self) -> Vec<Receipt> {
        let held = std::mem::take(&mut *self.lock());
        held.into_values().flatten().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, Vec<Receipt>>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
