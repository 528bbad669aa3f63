use tokio::time::Instant;

use crate::queue::BATCH_ENTRIES_MAX;
use crate::service::traces::Span;

/// What one request asks for; both lists have the same order.
#[derive(Debug)]
pub(super) struct Batch<T> {
    pub(super) entries: Vec<T>,
    efforts: Vec<Effort>,
}

/// Until when an entry is worth asking for, and its span.
#[derive(Debug)]
pub(super) struct Effort {
    pub(super) until: Instant,
    pub(super) span: Span,
}

impl<T> Batch<T> {
    /// Adds an entry and returns the batch if that fills it.
    pub(super) fn push(&mut self, entry: T, effort: Effort) -> Option<Self> {
        self.entries.push(entry);
        self.efforts.push(effort);
        (self.entries.len() == BATCH_ENTRIES_MAX).then(|| std::mem::take(self))
    }

    /// Keeps the entries for which the check, called once each and in order, says so.
    pub(super) fn retain(&mut self, keeps: impl FnMut(&mut Effort) -> bool) {
        let kept: Vec<bool> = self.efforts.iter_mut().map(keeps).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        let (mut of_entries, mut of_efforts) = (kept.iter(), kept.iter());
        self.entries.retain(|_| *of_entries.next().unwrap_or(&true));
        self.efforts.retain(|_| *of_efforts.next().unwrap_or(&true));
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            entries: Vec::with_capacity(BATCH_ENTRIES_MAX),
            efforts: Vec::with_capacity(BATCH_ENTRIES_MAX),
        }
    }
}
