use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::FAREWELL_MAX;
use super::chore::Chore;
use super::leadership::Leadership;
use crate::service::health::Pulse;
use crate::service::metrics::TableMetrics;
use crate::service::retry::Jitter;
use crate::store::{GROWING, PostgresStore, StoreError};

/// How often the lease is made to last longer, or asked for: three times while it lasts.
const PERIOD: Duration = Duration::from_secs(5);

/// How often the tables are looked at: they grow for days.
const LOOK_PERIOD: Duration = Duration::from_secs(60);

/// Shows how large the tables are that grow with the work, while this process leads.
#[derive(Debug)]
pub(super) struct TableWatch {
    store: PostgresStore,
    leadership: Leadership,
    metrics: TableMetrics,
    looked_at: Option<Instant>,
}

impl TableWatch {
    /// Watches over the tables that another process may be looking at.
    pub(super) fn new(store: PostgresStore, leadership: Leadership) -> Self {
        Self {
            store,
            leadership,
            metrics: TableMetrics::new(&GROWING),
            looked_at: None,
        }
    }

    /// Looks if it is due, and tells whether this process leads.
    async fn take_turn(&mut self) -> Result<bool, StoreError> {
        if !self.leadership.keep().await? {
            return Ok(false);
        }
        if self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_PERIOD) {
            self.metrics.measured(&self.store.estimate_rows().await?);
            self.looked_at = Some(Instant::now());
        }
        Ok(true)
    }
}

impl Chore for TableWatch {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken, _: Jitter) {
        while !stop.is_cancelled() {
            pulse.tick();
            // Others tell of a database that does not answer; the size is unknown then.
            if !self.take_turn().await.unwrap_or(false) {
                self.looked_at = None;
                self.metrics.measured(&[]);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep(PERIOD) => {}
            }
        }
        // A lease that stays behind ends by itself.
        let _ = timeout(FAREWELL_MAX, self.leadership.resign()).await;
    }
}
