//! The calm after a storm: nothing is done to anybody any more, and everything comes to rest.

use std::time::Duration;

use fleet::store::PostgresStore;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::role::{DOWNSTREAM, LEDGER};
use crate::sqs::Sqs;
use crate::storage;

/// How long between two looks.
const LOOK_PERIOD: Duration = Duration::from_millis(250);

/// How long nothing may change before it counts as stuck: some leases and the longest backoff.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// What is still to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Messages of the ledger's queue.
    pub ledger: u64,
    /// Rows of the outbox.
    pub outbox: u64,
    /// Messages of the queue downstream.
    pub downstream: u64,
}

impl Rest {
    /// Looks, in the order in which things flow: what is gone in one place was passed on before the
    /// next one is looked at.
    ///
    /// # Errors
    ///
    /// Who is asked does not answer.
    pub async fn look(sqs: &Sqs, store: &PostgresStore) -> anyhow::Result<Self> {
        Ok(Self {
            ledger: sqs.depth(LEDGER).await?.total(),
            outbox: storage::unsent(store).await?,
            downstream: sqs.depth(DOWNSTREAM).await?.total(),
        })
    }
}

/// Waits until nothing is left, or nothing changes any more, and returns what is left.
///
/// # Errors
///
/// Who is asked does not answer.
pub async fn come_to_rest(sqs: &Sqs, store: &PostgresStore) -> anyhow::Result<Rest> {
    let mut looks = interval(LOOK_PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = (Instant::now(), Rest::default());
    loop {
        looks.tick().await;
        let rest = Rest::look(sqs, store).await?;
        if rest != last.1 {
            last = (Instant::now(), rest);
        }
        if rest == Rest::default() || last.0.elapsed() > STUCK_AFTER {
            return Ok(rest);
        }
    }
}
