use std::time::SystemTime;

use metrics::Gauge;

use super::catalogue as metric;
use super::family::Family;

/// Whether an operator has paused one consumer; a clone shows the same.
#[derive(Clone, Debug)]
pub struct PauseMetrics {
    paused: Gauge,
}

impl PauseMetrics {
    /// Makes the metric of the consumer of `queue`, which is not paused.
    pub fn new(queue: &str) -> Self {
        let paused = metric::PAUSED.gauge(&[queue]);
        paused.set(0);
        Self { paused }
    }

    /// Records that the consumer is paused.
    pub fn paused(&self) {
        self.paused.set(1);
    }

    /// Records that the consumer is not paused any more.
    pub fn resumed(&self) {
        self.paused.set(0);
    }
}

/// The metrics of pruning; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct PruneMetrics {
    /// Rows deleted, by table.
    pub pruned: Family,
    last_success: Gauge,
}

impl PruneMetrics {
    /// Makes the metrics of pruning these tables.
    pub fn new(tables: &[&'static str]) -> Self {
        let last_success = metric::PRUNE_LAST_SUCCESS.gauge(&[]);
        last_success.set(0);
        Self {
            pruned: Family::new(&metric::PRUNED, &[], tables),
            last_success,
        }
    }

    /// Records that every table was pruned to its end.
    pub fn succeeded(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.last_success.set(now.unwrap_or_default().as_secs_f64());
    }
}
