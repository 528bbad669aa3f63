use metrics::Gauge;

use super::catalogue as metric;

/// Whether one check of the readiness passes; a clone shows the same.
#[derive(Clone)]
pub struct CheckMetrics {
    ready: Gauge,
}

impl CheckMetrics {
    /// Makes the metric of a check, which has to be told at once whether it passes.
    pub fn new(check: &str) -> Self {
        Self {
            ready: metric::READY.gauge(&[check]),
        }
    }

    /// Records that the check passes.
    pub fn passes(&self) {
        self.ready.set(1);
    }

    /// Records that the check fails.
    pub fn fails(&self) {
        self.ready.set(0);
    }
}

impl std::fmt::Debug for CheckMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CheckMetrics")
    }
}
