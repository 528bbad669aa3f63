use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;

use crate::service::metrics::TraceMetrics;

/// Ended spans that wait to be sent: a bounded buffer, whose surplus is dropped and counted.
#[derive(Debug)]
pub(super) struct Spool {
    state: Mutex<State>,
    has_batch: Notify,
    waiting_max: usize,
    batch_max: usize,
    metrics: TraceMetrics,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SpanData>,
    /// Spans that were taken and of which nobody has said yet what became.
    under_way: usize,
}

impl Spool {
    pub(super) fn new(waiting_max: usize, batch_max: usize, metrics: TraceMetrics) -> Self {
        Self {
            state: Mutex::default(),
            has_batch: Notify::new(),
            waiting_max,
            batch_max,
            metrics,
        }
    }

    /// Takes a span in, or drops it where too many wait. Never blocks on the collector.
    pub(super) fn push(&self, span: SpanData) {
        let mut state = self.lock();
        if state.waiting.len() == self.waiting_max {
            return self.metrics.lost.increment(1);
        }
        state.waiting.push_back(span);
        // Once a batch: waking the sender for each span would cost more than making it.
        if state.waiting.len() == self.batch_max {
            self.has_batch.notify_one();
        }
    }

    /// Waits until a batch is full, or until `delay` has passed.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by it.
    pub(super) async fn gather(&self, delay: Duration) {
        // Whether it was woken or not, it looks.
        let _ = tokio::time::timeout(delay, self.has_batch.notified()).await;
    }

    /// Takes the oldest spans, a batch at most; `None` when none wait.
    pub(super) fn take(&self) -> Option<Vec<SpanData>> {
        let mut state = self.lock();
        let count = state.waiting.len().min(self.batch_max);
        let batch: Vec<_> = state.waiting.drain(..count).collect();
        state.under_way = count;
        (count > 0).then_some(batch)
    }

    /// Says how many of the spans that were taken got lost.
    pub(super) fn settle(&self, lost: u64) {
        self.lock().under_way = 0;
        self.metrics.lost.increment(lost);
    }

    /// Gives up everything, and returns how many spans that were.
    pub(super) fn abandon(&self) -> u64 {
        let state = std::mem::take(&mut *self.lock());
        let lost = (state.waiting.len() + state.under_way) as u64;
        self.metrics.lost.increment(lost);
        lost
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
