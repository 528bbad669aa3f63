use metrics::Gauge;

use super::catalogue as metric;

/// The metrics of the pool of connections that the work uses; a clone shows the same.
#[derive(Clone, Debug)]
pub struct DatabaseMetrics {
    in_use: Gauge,
    idle: Gauge,
    limit: Gauge,
    waiting: Gauge,
}

/// How a pool of connections is doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// The most there may be.
    pub limit: usize,
    /// How many somebody has.
    pub in_use: usize,
    /// How many are open and free.
    pub idle: usize,
    /// How many callers wait for one.
    pub waiting: usize,
}

impl DatabaseMetrics {
    /// Makes the metrics of a pool that nobody has looked at.
    pub fn new() -> Self {
        let metrics = Self {
            in_use: metric::DATABASE_CONNECTIONS.gauge(&["in_use"]),
            idle: metric::DATABASE_CONNECTIONS.gauge(&["idle"]),
            limit: metric::DATABASE_CONNECTIONS_LIMIT.gauge(&[]),
            waiting: metric::DATABASE_WAITING.gauge(&[]),
        };
        for gauge in [
            &metrics.in_use,
            &metrics.idle,
            &metrics.limit,
            &metrics.waiting,
        ] {
            gauge.set(f64::NAN);
        }
        metrics
    }

    /// Shows how the pool is doing.
    pub fn measured(&self, connections: Connections) {
        let Connections {
            limit,
            in_use,
            idle,
            waiting,
        } = connections;
        self.limit.set(limit as f64);
        self.in_use.set(in_use as f64);
        self.idle.set(idle as f64);
        self.waiting.set(waiting as f64);
    }
}

impl Default for DatabaseMetrics {
    fn default() -> Self {
        Self::new()
    }
}
