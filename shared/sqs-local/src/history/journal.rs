//! Where the history is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::count::{Count, Counts};
use super::record::Record;
use crate::message::MessageId;
use crate::queue::ReceiptHandle;

/// Every call since it was switched on, or how many there were.
#[derive(Debug)]
pub struct History {
    keep: Keep,
    kept: Mutex<Kept>,
}

/// What is kept of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Each of them, and what became of every message; it grows as long as the service runs.
    Calls,
    /// How many there were of each kind, for runs of millions.
    Counts,
}

#[derive(Debug, Default)]
struct Kept {
    counts: Counts,
    records: Vec<Record>,
    /// Which message each receipt was for. The queue itself does not know any more once a message
    /// is deleted.
    receipts: HashMap<ReceiptHandle, MessageId>,
}

impl History {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            kept: Mutex::default(),
        }
    }

    /// Returns what is kept.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Returns up to so many calls that follow the one with this sequence number; 0 is the
    /// beginning. There are none if only counts are kept.
    pub fn after(&self, seq: u64, limit: usize) -> Vec<Record> {
        let kept = self.lock();
        let start = usize::try_from(seq).unwrap_or(usize::MAX);
        let rest = kept.records.get(start..).unwrap_or_default();
        rest[..limit.min(rest.len())].to_vec()
    }

    /// Counts all calls by key, operation, result and fault.
    pub fn counts(&self) -> Vec<Count> {
        self.lock().counts.list()
    }

    /// Appends a call, whose sequence number is set here.
    pub(crate) fn append(&self, mut record: Record) {
        let mut kept = self.lock();
        kept.counts.add(&record);
        if self.keep == Keep::Calls {
            record.seq = u64::try_from(kept.records.len()).unwrap_or(u64::MAX) + 1;
            kept.records.push(record);
        }
    }

    /// Remembers which message a receipt is for.
    pub(crate) fn remember(&self, receipt: ReceiptHandle, id: MessageId) {
        if self.keep == Keep::Calls {
            self.lock().receipts.insert(receipt, id);
        }
    }

    /// Returns which message a receipt is for.
    pub(crate) fn message_of(&self, receipt: &str) -> Option<MessageId> {
        let receipt = ReceiptHandle::from_text(receipt)?;
        self.lock().receipts.get(&receipt).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
