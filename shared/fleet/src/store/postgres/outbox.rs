use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sql::BEGIN_RELAY;
use super::transaction::{Params, PostgresTransaction};
use super::{PostgresStore, Row, Session, notify};
use crate::message::{EventKey, NewEvent};
use crate::service::failpoint;
use crate::service::traces::TraceContext;
use crate::store::{Outbox, OutboxClaim, OutboxRow, OutboxSettlement, OutboxStats, StoreError};

/// Rows that are locked by an open transaction; the end of its session frees them.
#[derive(Debug)]
struct PostgresOutboxClaim {
    transaction: PostgresTransaction,
    rows: Vec<OutboxRow>,
}

/// The most bytes of data that one claim reads, and one row more: the bodies of
/// a claim are in memory twice, and a thousand of them may have 1 MiB each.
const CLAIM_BYTES_MAX: i64 = 16 * 1024 * 1024;

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim_rows(
        &self,
        destination: &str,
        limit: usize,
    ) -> Result<Box<dyn OutboxClaim>, StoreError> {
        let transaction = PostgresTransaction::unopened(&self.shared).await?;
        let begun = self.walk(destination);
        // Polled in this order, both go out at once: one round trip.
        let (opened, found) = tokio::join!(
            biased;
            transaction.open(BEGIN_RELAY),
            find(&transaction, destination, limit, &begun),
        );
        opened?;
        let mut found = found?;
        if found.rows.is_empty() && !begun.is_empty() {
            // The walk over the keys went on from its last end; now from the start.
            found = find(&transaction, destination, limit, "").await?;
        }
        self.set_walk(destination, found.walk);
        if found.rows.is_empty() {
            transaction.rollback().await;
            return Ok(Box::new(NothingClaimed));
        }
        Ok(Box::new(PostgresOutboxClaim {
            transaction,
            rows: found.rows,
        }))
    }

    async fn stats(&self) -> Result<Vec<OutboxStats>, StoreError> {
        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let work = async {
            let statement = client.prepare_cached(&self.shared.sql.outbox_stats).await?;
            client.query(&statement, &[]).await
        };
        let rows = session.run_bounded(work).await?;
        Ok(rows.iter().map(stats_of).collect())
    }

    fn writes(&self) -> watch::Receiver<u64> {
        self.shared.writes.subscribe()
    }

    async fn listen(&self, stop: CancellationToken) {
        if let Some(config) = &self.shared.direct {
            notify::listen(config, &self.shared.schema, &self.shared.writes, stop).await;
        }
    }
}

impl PostgresStore {
    fn walk(&self, destination: &str) -> String {
        let walks = self
            .shared
            .walks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        walks.get(destination).cloned().unwrap_or_default()
    }

    fn set_walk(&self, destination: &str, end: Option<String>) {
        let mut walks = self
            .shared
            .walks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match end {
            Some(end) => drop(walks.insert(destination.to_owned(), end)),
            None => drop(walks.remove(destination)),
        }
    }
}

/// What a claim found.
struct Found {
    rows: Vec<OutboxRow>,
    /// Where the walk over the keys ended; `None` after the last key.
    walk: Option<String>,
}

async fn find(
    transaction: &PostgresTransaction,
    destination: &str,
    limit: usize,
    walk: &str,
) -> Result<Found, StoreError> {
    let session = transaction.session();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let work = async {
        let statement = transaction
            .prepare(&session.shared().sql.outbox_claim)
            .await?;
        let params: Params<'_> = &[&destination, &limit, &walk, &CLAIM_BYTES_MAX];
        session.client().query(&statement, params).await
    };
    let rows = transaction.noted(session.run_bounded(work).await)?;
    let is_full = |row: &&Row| row.get::<_, i64>("count") >= (limit / 2).max(1);
    Ok(Found {
        walk: rows.first().filter(is_full).and_then(|row| row.get("last")),
        rows: rows.iter().filter_map(row_of).collect(),
    })
}

#[async_trait]
impl OutboxClaim for PostgresOutboxClaim {
    fn rows(&self) -> &[OutboxRow] {
        &self.rows
    }

    async fn settle(self: Box<Self>, settlement: OutboxSettlement) -> Result<(), StoreError> {
        let transaction = self.transaction;
        let session = transaction.session();
        let (client, sql) = (session.client(), &session.shared().sql);
        if !settlement.sent.is_empty() {
            let work = async {
                let statement = transaction.prepare(&sql.outbox_sent).await?;
                client.execute(&statement, &[&settlement.sent]).await
            };
            transaction.noted(session.run_bounded(work).await)?;
        }
        if !settlement.parked.is_empty() {
            let (ids, reasons): (Vec<i64>, Vec<&str>) = settlement
                .parked
                .iter()
                .map(|(id, reason)| (*id, reason.as_str()))
                .unzip();
            let work = async {
                let statement = transaction.prepare(&sql.outbox_parked).await?;
                client.execute(&statement, &[&ids, &reasons]).await
            };
            transaction.noted(session.run_bounded(work).await)?;
        }
        failpoint::reach("relay.marked");
        transaction.commit().await
    }
}

/// The claim of a destination with nothing to send.
#[derive(Debug)]
struct NothingClaimed;

#[async_trait]
impl OutboxClaim for NothingClaimed {
    fn rows(&self) -> &[OutboxRow] {
        &[]
    }

    async fn settle(self: Box<Self>, _: OutboxSettlement) -> Result<(), StoreError> {
        Ok(())
    }
}

fn row_of(row: &Row) -> Option<OutboxRow> {
    Some(OutboxRow {
        id: row.get::<_, Option<i64>>("id")?,
        event: NewEvent {
            key: EventKey {
                source: row.get("source"),
                id: row.get("event_id"),
            },
            event_type: row.get("event_type"),
            time: row.get("time"),
            data: row.get("data"),
            ordering_key: row.get("ordering_key"),
            trace: row
                .get::<_, Option<&str>>("trace_parent")
                .and_then(|parent| TraceContext::parse(parent, row.get("trace_state"))),
        },
    })
}

fn stats_of(row: &Row) -> OutboxStats {
    let count = |name| u64::try_from(row.get::<_, i64>(name)).unwrap_or(0);
    OutboxStats {
        destination: row.get("destination"),
        pending: count("pending"),
        parked: count("parked"),
        // A clock that was set back makes an age negative.
        oldest_age: Duration::try_from_secs_f64(row.get("oldest_secs")).unwrap_or_default(),
    }
}
