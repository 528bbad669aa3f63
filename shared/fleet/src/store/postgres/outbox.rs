use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::transaction::PostgresTransaction;
use super::{PostgresStore, Row, Session, notify};
use crate::message::{EventKey, NewEvent};
use crate::store::{Outbox, OutboxClaim, OutboxRow, OutboxSettlement, OutboxStats, StoreError};

/// Rows that are locked by an open transaction; the end of its session frees them.
#[derive(Debug)]
struct PostgresOutboxClaim {
    transaction: PostgresTransaction,
    rows: Vec<OutboxRow>,
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim(
        &self,
        destination: &str,
        limit: usize,
    ) -> Result<Box<dyn OutboxClaim>, StoreError> {
        let transaction = PostgresTransaction::begin(&self.shared).await?;
        let walk = self.walk(destination);
        let mut rows = claim_rows(&transaction, destination, limit, &walk).await?;
        if rows.is_empty() && !walk.is_empty() {
            // The walk over the keys went on from its last end; now from the start.
            rows = claim_rows(&transaction, destination, limit, "").await?;
        }
        self.set_walk(destination, limit, &rows);
        if rows.is_empty() {
            transaction.rollback().await;
            return Ok(Box::new(NothingClaimed));
        }
        Ok(Box::new(PostgresOutboxClaim { transaction, rows }))
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

    fn set_walk(&self, destination: &str, limit: usize, rows: &[OutboxRow]) {
        let keys = || {
            rows.iter()
                .filter_map(|row| row.event.ordering_key.as_deref())
        };
        let mut walks = self
            .shared
            .walks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match keys()
            .max()
            .filter(|_| keys().count() >= (limit / 2).max(1))
        {
            Some(last) => drop(walks.insert(destination.to_owned(), last.to_owned())),
            // Fewer than asked for: the walk came to the end of the keys.
            None => drop(walks.remove(destination)),
        }
    }
}

async fn claim_rows(
    transaction: &PostgresTransaction,
    destination: &str,
    limit: usize,
    walk: &str,
) -> Result<Vec<OutboxRow>, StoreError> {
    let session = transaction.session();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let work = async {
        let statement = transaction
            .prepare(&session.shared().sql.outbox_claim)
            .await?;
        session
            .client()
            .query(&statement, &[&destination, &limit, &walk])
            .await
    };
    let rows = transaction.noted(session.run_bounded(work).await)?;
    let mut rows: Vec<_> = rows.iter().map(row_of).collect();
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
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

fn row_of(row: &Row) -> OutboxRow {
    OutboxRow {
        id: row.get("id"),
        event: NewEvent {
            key: EventKey {
                source: row.get("source"),
                id: row.get("event_id"),
            },
            event_type: row.get("event_type"),
            time: row.get("time"),
            data: row.get("data"),
            ordering_key: row.get("ordering_key"),
            trace_parent: row.get("trace_parent"),
        },
    }
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
