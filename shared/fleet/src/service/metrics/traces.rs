use metrics::Counter;

use super::catalogue as metric;

/// The metrics of the export of spans; a clone counts into the same.
#[derive(Clone)]
pub struct TraceMetrics {
    /// Spans that no collector has taken.
    pub lost: Counter,
}

impl TraceMetrics {
    /// Makes the metrics, at 0.
    pub fn new() -> Self {
        let lost = metric::SPANS_LOST.counter(&[]);
        lost.increment(0);
        Self { lost }
    }
}

impl Default for TraceMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for TraceMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceMetrics").finish_non_exhaustive()
    }
}
