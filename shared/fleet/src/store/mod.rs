//! The seam to Postgres: what the fleet asks of a store, and nothing else.
//!
//! A memory fake stands beside the real thing and passes the same conformance
//! suite, so that the runtime can be simulated without any I/O.
//!
//! **Invariant:** only this room names `tokio-postgres` and `deadpool-postgres`.

/// A failure, classified once.
mod error;

/// What the ledgers hold.
mod rows;

/// What the relay asks of a store.
mod outbox;

/// What the journal of replays holds.
mod replays;

/// What is on record of an event.
mod story;

/// The fake.
mod memory;

/// The real thing.
mod postgres;

/// The real thing, without consequences.
mod trial;

use std::fmt;

use async_trait::async_trait;

use crate::message::{EventKey, NewEvent};

pub use error::{StoreError, StoreErrorClass};
pub use memory::MemoryStore;
pub use outbox::{Outbox, OutboxClaim, OutboxRow, OutboxSettlement, OutboxStats};
pub use postgres::EVENTS_KEPT;
pub use postgres::{
    Checkup, ConsumerStanding, DeadCount, DeadOnRecord, DepthMemory, Extent, GROWING, Inquiry,
    MigrateError, MigrateOptions, Migration, Migrations, PRUNABLE, Params, Pause, Pausing,
    PlannedMigration, PoolStatus, PostgresOptions, PostgresStore, PostgresTransaction, Process,
    Prunable, RecentFailure, RecentFailures, Roster, Row, Server, Sighting, Subscription, ToSql,
    Unparking, Unsent, UnsentFilter, UnsentState, check_address, check_up, establish_roles,
    is_pooled, migrate, plan, plan_roles,
};
pub use replays::{
    EntryState, Journaled, NewReplay, PlannedEntry, Replay, ReplayCounts, ReplayFailure,
    ReplayKind, ReplayState,
};
pub use rows::{Attempt, AttemptOutcome, DeadLetter, History};
pub use story::{Death, Dispatch, Effect, Found, Replayed, Story, Try};
pub use trial::Publication;
pub(crate) use trial::Trial;

/// What the consuming side of the runtime asks of its database.
///
/// # Errors
///
/// Every method fails with a [`StoreError`] whose class says what to do.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Opens a transaction and claims the event key in it: the inbox row and the effect commit together.
    ///
    /// A claim that another transaction holds is waited for.
    ///
    /// # Cancellation
    ///
    /// Dropping the future, or the transaction that it returned, rolls back.
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError>;

    /// Opens one transaction and claims many keys in it.
    ///
    /// Keys that another transaction holds at this moment are not waited for.
    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError>;

    /// Reads what is known of a delivery: whether its event is done, and what failed before the
    /// receive of this count.
    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError>;

    /// Reads the latest rows that the ledger has of a message, at most `limit`, the oldest first.
    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError>;

    /// Writes rows of the attempts ledger; a row that is there already is replaced by its outcome.
    async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError>;

    /// Writes down dead-letter copies that were sent; a copy recorded twice stands once.
    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError>;

    /// Asks the database for a sign of life that a handler could rely on: it answers and accepts writes.
    async fn probe(&self) -> Result<(), StoreError>;
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The key is new; the effect belongs into this transaction.
    New(Box<dyn Transaction>),
    /// The event is done: its row was committed before.
    Duplicate,
}

/// What became of one key of [`Store::claim_all`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key is new; the transaction holds it.
    New,
    /// The event is done.
    Duplicate,
    /// Another transaction holds the key; come back later.
    Contended,
}

/// An open transaction that holds claims.
///
/// # Cancellation
///
/// Dropping it rolls back and never leaves a connection unusable.
#[async_trait]
pub trait Transaction: fmt::Debug + Send + Sync {
    /// Commits the claims, the effects and the published events together.
    ///
    /// # Errors
    ///
    /// After an error the outcome is unknown: nothing may be acknowledged, and
    /// the inbox decides at the redelivery.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Rolls everything back.
    async fn rollback(self: Box<Self>);

    /// Writes an outbox row for each subscriber of the event's type and returns how many there are.
    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError>;

    /// Returns the Postgres side of it, on which a domain runs its SQL; `None` in a fake.
    fn postgres(&self) -> Option<&PostgresTransaction>;
}
