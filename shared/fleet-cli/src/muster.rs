//! Who serves, and what is paused, as the database knows it.

use std::time::Duration;

use fleet::store::{ConsumerStanding, Pause, PostgresStore, Sighting, StoreError};
use jiff::Timestamp;
use serde::Serialize;

/// How lately a process has to have shown itself to count as serving: it does so every four seconds.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// How lately a queue has to have been measured: that is done every fifteen seconds.
const MEASURED_WITHIN: Duration = Duration::from_secs(60);

/// How long a process that shows itself no more is told of: whoever looks now wants to know.
const MISSED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// What the database knows of the consumers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Muster {
    /// Those that serve, and those that were lost lately.
    pub(crate) processes: Vec<Sighting>,
    pauses: Vec<Pause>,
    lags: Vec<(String, Duration)>,
}

/// Who paused a consumer, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PauseState {
    pub(crate) by: String,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
    pub(crate) until: Option<Timestamp>,
}

impl Muster {
    /// Reads it.
    pub(crate) async fn call(
        store: &PostgresStore,
        consumers: &[&str],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            processes: store.processes(MISSED_WITHIN).await?,
            pauses: store.pauses(consumers, &[]).await?,
            lags: store.lags(MEASURED_WITHIN).await?,
        })
    }

    /// Returns how a consumer is doing in each process that serves it.
    pub(crate) fn serving(&self, consumer: &str) -> Vec<&ConsumerStanding> {
        let present = self
            .processes
            .iter()
            .filter(|seen| seen.seen_ago <= SEEN_WITHIN);
        present
            .filter_map(|seen| seen.consumers.iter().find(|one| one.name == consumer))
            .collect()
    }

    /// Returns about how old the oldest message is that waits in a queue, if somebody measures it.
    pub(crate) fn lag(&self, queue: &str) -> Option<Duration> {
        let lag = self.lags.iter().find(|(name, _)| name == queue)?;
        Some(lag.1)
    }

    /// Returns the pause of a consumer.
    pub(crate) fn pause(&self, consumer: &str) -> Option<PauseState> {
        let pause = self
            .pauses
            .iter()
            .find(|pause| pause.consumer == consumer)?;
        Some(PauseState {
            by: pause.paused_by.clone(),
            since: pause.paused_at,
            reason: pause.reason.clone(),
            until: pause.until,
        })
    }
}
