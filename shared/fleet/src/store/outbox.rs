use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use crate::message::NewEvent;

/// Events that were committed and wait for their queue: what the relay asks of a store.
///
/// A row belongs to one destination, which is a consumer's name, and is marked
/// alone: a blocked queue never delays or doubles another.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] whose class says what to do.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Claims up to `limit` unsent rows of one destination, the oldest first.
    ///
    /// Rows that another claim holds are passed over. Of the rows with one
    /// ordering key only the oldest unsent is claimable; while it is held
    /// elsewhere, or parked, the younger ones wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the claim that it returned, frees the rows.
    async fn claim_rows(
        &self,
        destination: &str,
        limit: usize,
    ) -> Result<Box<dyn OutboxClaim>, StoreError>;

    /// Counts what waits, by destination; a destination without unsent rows is absent.
    async fn stats(&self) -> Result<Vec<OutboxStats>, StoreError>;

    /// Returns a channel that changes whenever rows may have been committed.
    ///
    /// It is a hint that saves waiting for the next poll, never a promise: rows
    /// that SQL writes without the runtime are found by polling.
    fn writes(&self) -> watch::Receiver<u64>;

    /// Listens for commits of other processes, for as long as `stop` is not cancelled.
    ///
    /// It keeps trying while the database is away. A store that cannot listen
    /// returns at once.
    ///
    /// # Cancellation
    ///
    /// Dropping it ends the listening; nothing else is lost.
    async fn listen(&self, stop: CancellationToken);
}

/// Rows that this process alone may send at this moment.
///
/// # Cancellation
///
/// Dropping it frees the rows unsent; so does the end of the process.
#[async_trait]
pub trait OutboxClaim: fmt::Debug + Send {
    /// Returns the claimed rows.
    fn rows(&self) -> &[OutboxRow];

    /// Marks what became of the rows and frees the rest.
    ///
    /// # Errors
    ///
    /// After an error the rows may still stand as unsent, and then they are
    /// sent again with the same event keys.
    async fn settle(self: Box<Self>, settlement: OutboxSettlement) -> Result<(), StoreError>;
}

/// One event on its way to one destination.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// The row's number, growing in the order of insertion.
    pub id: i64,
    /// The event.
    pub event: NewEvent,
}

/// What became of the rows of a claim; rows in neither list stay unsent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxSettlement {
    /// Rows whose message SQS has confirmed.
    pub sent: Vec<i64>,
    /// Rows that SQS can never take, and a stable phrase why.
    pub parked: Vec<(i64, String)>,
}

/// What waits for one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// The destination.
    pub destination: String,
    /// How many rows wait to be sent.
    pub pending: u64,
    /// How many rows are parked.
    pub parked: u64,
    /// How long the oldest of the waiting ones has waited; 0 without one.
    pub oldest_age: Duration,
}
