use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::chore::Chore;
use crate::service::health::Pulse;
use crate::service::metrics::{Connections, DatabaseMetrics};
use crate::service::retry::Jitter;
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
    pub(super) fn new(work: PostgresStore) -> Self {
        let metrics = DatabaseMetrics::new();
        Self { work, metrics }
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

impl Chore for ConnectionWatch {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken, _: Jitter) {
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
}
