//! What a FIFO queue remembers of what was sent, to send it once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::limits::{DEDUPLICATION_MS, Millis};
use crate::message::MessageId;

/// What makes two messages the same: the id, and the group where the scope is the group.
pub(crate) type DeduplicationKey = (Option<Arc<str>>, Arc<str>);

/// What was sent with an id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remembered {
    pub(crate) id: MessageId,
    pub(crate) sequence: u128,
}

/// The ids of the last five minutes; a delete or a purge forgets none.
#[derive(Debug, Default)]
pub(crate) struct Deduplication {
    sent: HashMap<DeduplicationKey, Remembered>,
    order: VecDeque<(Millis, DeduplicationKey)>,
}

impl Deduplication {
    /// Forgets what is too old.
    pub(crate) fn advance(&mut self, now: Millis) {
        while self
            .order
            .front()
            .is_some_and(|(at, _)| at.saturating_add(DEDUPLICATION_MS) <= now)
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.sent.remove(&key);
            }
        }
    }

    pub(crate) fn find(&self, key: &DeduplicationKey) -> Option<Remembered> {
        self.sent.get(key).copied()
    }

    pub(crate) fn remember(&mut self, now: Millis, key: DeduplicationKey, sent: Remembered) {
        // An id that is remembered already keeps its time: the interval is of the first.
        if self.sent.insert(key.clone(), sent).is_none() {
            self.order.push_back((now, key));
        }
    }
}
