use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::service::health::Pulse;
use crate::service::metrics::{Connections, DatabaseMetrics};
use crate::store::PostgresStore;

/// How often the pool is looked at: a few times a scrape, and a look asks nobody.
const PERIOD: Duration = Duration::from_secs(5);

/// Shows how the connections of the work are doing.
#[derive(Debug)]
pub(super) struct ConnectionWatch {
    work: PostgresStore,
    metrics: DatabaseMetrics,
}

impl ConnectionWatch {
    /// Watches over the pool of the work.
    pub(super) fn new(work: PostgresStore, metrics: DatabaseMetrics) -> Self {
        Self { work, metrics }
    }

    /// Looks now and then until told to stop.
    pub(super) async fn run(&self, pulse: &Pulse, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            pulse.tick();
            self.look();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep(PERIOD) => {}
            }
        }
    }

    fn look(&self) {
        let status = self.work.pool_status();
        self.metrics.measured(Connections {
            limit: status.max,
            in_use: status.open.saturating_sub(status.idle),
            idle: status.idle,
            waiting: status.waiting,
        });
    }
}
