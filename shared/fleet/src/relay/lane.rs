use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::fate::Fate;
use super::send::send;
use crate::queue::{BATCH_ENTRIES_MAX, Queue};
use crate::service::failpoint;
use crate::service::health::Pulse;
use crate::service::metrics::OutboxMetrics;
use crate::service::retry::{Backoff, Jitter};
use crate::store::{Outbox, OutboxRow, OutboxSettlement, StoreError};

/// The most rows of a claim: measured, a thousand rows make the database's part
/// of the work small, and they stay locked for milliseconds.
const ROWS_MAX: usize = 1_000;

/// How long an idle relay waits before it looks again: at first so short that a
/// burst of rows hardly waits, and doubled up to a second, which costs nothing.
const POLL_FIRST: Duration = Duration::from_millis(10);
const POLL_LAST: Duration = Duration::from_secs(1);

/// Ceilings of the waits while the queue or the database is in trouble: flow
/// resumes within five seconds of the end of an outage.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(4);

/// The way of one destination's rows to its queue.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) destination: String,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) metrics: OutboxMetrics,
    pub(super) jitter: Jitter,
}

/// What one turn came to.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// There was nothing to send.
    Idle,
    /// Every claimed row was settled.
    Settled,
    /// Rows have to wait; the code that says why.
    Blocked(String),
}

impl Lane {
    /// Claims, sends and settles until `stop` is cancelled; a turn that began is finished.
    pub(super) async fn run(&self, pulse: &Pulse, stop: &CancellationToken) {
        let mut writes = self.outbox.writes();
        let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_LAST, self.jitter.clone());
        let mut idle = POLL_FIRST;
        let mut trouble = None;
        while !stop.is_cancelled() {
            pulse.tick();
            // Rows that are committed from here on end the wait below.
            writes.mark_unchanged();
            // While in trouble, one batch finds out whether it is over.
            let limit = if trouble.is_some() {
                BATCH_ENTRIES_MAX
            } else {
                ROWS_MAX
            };
            let turn = self.turn(limit, pulse).await;
            let troubled = match &turn {
                Ok(Turn::Blocked(code)) => Some(code.clone()),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            self.report(&trouble, &troubled);
            trouble = troubled;
            match turn {
                Ok(Turn::Settled) => {
                    backoff.reset();
                    idle = POLL_FIRST;
                }
                Ok(Turn::Idle) => {
                    backoff.reset();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = sleep(idle) => idle = (idle * 2).min(POLL_LAST),
                        // The sender lives as long as the outbox does.
                        _ = writes.changed() => idle = POLL_FIRST,
                    }
                }
                Ok(Turn::Blocked(_)) | Err(_) => {
                    stop.run_until_cancelled(sleep(backoff.next())).await;
                }
            }
        }
    }

    async fn turn(&self, limit: usize, pulse: &Pulse) -> Result<Turn, StoreError> {
        let claim = self.outbox.claim_rows(&self.destination, limit).await?;
        if claim.rows().is_empty() {
            return Ok(Turn::Idle);
        }
        failpoint::reach("relay.claimed");
        let fates = send(&*self.queue, claim.rows(), pulse).await;
        failpoint::reach("relay.sent");
        let (settlement, blocked) = settlement(claim.rows(), fates);
        self.count(claim.rows(), &settlement);
        claim.settle(settlement).await?;
        failpoint::reach("relay.settled");
        Ok(blocked.map_or(Turn::Settled, Turn::Blocked))
    }

    fn count(&self, rows: &[OutboxRow], settlement: &OutboxSettlement) {
        self.metrics
            .published
            .increment(settlement.sent.len() as u64);
        self.metrics
            .publish_errors
            .increment((rows.len() - settlement.sent.len()) as u64);
        for (row, reason) in &settlement.parked {
            let parked = rows.iter().find(|parked| parked.id == *row);
            let trace = parked.and_then(|parked| parked.event.trace.as_ref());
            tracing::error!(
                destination = self.destination,
                row,
                trace_id = trace.map(|trace| display(trace.trace_id())),
                reason,
                "outbox row parked: it and its ordering key wait for an operator"
            );
        }
    }

    /// Logs the beginning and the end of trouble, not each turn of it.
    fn report(&self, before: &Option<String>, now: &Option<String>) {
        let destination = &self.destination;
        match (before, now) {
            (None, Some(reason)) => {
                tracing::warn!(destination, reason, "outbox rows wait, trying again");
            }
            (Some(_), None) => tracing::info!(destination, "outbox rows flow again"),
            _ => {}
        }
    }
}

/// Sorts the rows by their fate; the second part tells why some have to wait.
fn settlement(rows: &[OutboxRow], fates: Vec<Fate>) -> (OutboxSettlement, Option<String>) {
    let mut settlement = OutboxSettlement::default();
    let mut blocked = None;
    for (row, fate) in rows.iter().zip(fates) {
        match fate {
            Fate::Sent => settlement.sent.push(row.id),
            Fate::Parked(reason) => settlement.parked.push((row.id, reason)),
            Fate::Waits(code) => blocked = blocked.or(Some(code)),
        }
    }
    (settlement, blocked)
}
