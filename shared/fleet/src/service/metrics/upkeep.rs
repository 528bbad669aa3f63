use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Whether this process measures queues for all others; a clone counts along.
#[derive(Clone, Debug)]
pub struct MeasuringMetrics {
    measuring: Gauge,
    queues: Arc<AtomicUsize>,
}

impl MeasuringMetrics {
    /// Makes the metric of a process that measures nothing.
    pub fn new() -> Self {
        let metrics = Self {
            measuring: metric::MEASURING.gauge(&[]),
            queues: Arc::default(),
        };
        metrics.measuring.set(0);
        metrics
    }

    /// Records that this process measures one queue more.
    pub fn begins(&self) {
        self.queues.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    /// Records that this process measures one queue less.
    pub fn ends(&self) {
        self.queues.fetch_sub(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        let is_measuring = self.queues.load(Ordering::Relaxed) > 0;
        self.measuring.set(f64::from(u8::from(is_measuring)));
    }
}

impl Default for MeasuringMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// About how many rows the tables have that grow with the work; a clone shows the same.
#[derive(Clone, Debug)]
pub struct TableMetrics {
    rows: Arc<[(&'static str, Gauge)]>,
}

impl TableMetrics {
    /// Makes the metrics of these tables, of which nothing is known.
    pub fn new(tables: &[&'static str]) -> Self {
        let gauge = |table: &&'static str| (*table, metric::TABLE_ROWS.gauge(&[table]));
        let metrics = Self {
            rows: tables.iter().map(gauge).collect(),
        };
        metrics.measured(&[]);
        metrics
    }

    /// Shows how many rows these tables have; of the others nothing is known.
    pub fn measured(&self, found: &[(String, u64)]) {
        for (table, gauge) in self.rows.iter() {
            let rows = found.iter().find(|(name, _)| name == table);
            gauge.set(rows.map_or(f64::NAN, |(_, rows)| *rows as f64));
        }
    }
}
