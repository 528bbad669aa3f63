use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::message::{Message, MessageId, Receipt};

/// What was received and is still in the queue: not meant, not sent, or about to be.
///
/// It is given back at the end, by its newest receipt.
#[derive(Debug, Default)]
pub(super) struct Held {
    receipts: Mutex<HashMap<MessageId, Receipt>>,
}

impl Held {
    /// Notes a receive of a message, and tells whether it is the first one.
    pub(super) fn note(&self, message: &Message) -> bool {
        match self.lock().entry(message.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(message.receipt.clone());
                true
            }
            Entry::Occupied(mut place) => {
                place.insert(message.receipt.clone());
                false
            }
        }
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
        std::mem::take(&mut *self.lock()).into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, Receipt>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
