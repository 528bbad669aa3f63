//! The store on PostgreSQL 14 and later.
//!
//! Nothing of a message is held in this room: a transaction owns its
//! connection, and the connection's state is looked after in `session` alone.

/// What the server, the driver and the pool say: without the data, and as classes.
mod said;
mod failure;

/// Every statement of the runtime.
mod sql;

/// How the database is used.
mod options;

/// Encryption, and who the server is.
mod tls;

/// Addresses, and which of them need encryption.
mod address;

/// The pool, and servers that are refused.
mod connect;

/// Wake-ups between processes, after the commit.
mod notify;

/// What a store and everything made of it have in common.
mod shared;

/// A connection that goes back clean or not at all.
mod session;

/// What a handler and a producer hold.
mod transaction;

/// Claims and what is done.
mod inbox;

/// Attempts and dead letters.
mod ledger;

/// Rows on their way to a queue.
mod outbox;

/// Replays: who, when, how they ended.
mod replays;

/// Their entries: planned, sent, deleted.
mod journal;

/// What became of what they sent.
mod outcomes;

/// Whether the database is any good.
mod life;

/// Rows that wait for a relay or an operator.
mod parked;

/// Everything that is known of an event.
mod story;

/// Numbered SQL.
mod migrations;

/// Where every event stands, for `dev`.
mod standing;

/// Which processes serve.
mod processes;

/// How the pool is doing.
mod pool_status;

/// What is remembered of queues between two looks at them.
mod depths;

/// How large tables are.
mod table_rows;

/// What operators have paused.
mod pauses;

/// What went wrong of late.
mod recent;

/// Whether somebody lends processes of the server out.
mod pooler;

/// How a database is set up, and what it knows of the fleet, for `doctor`.
mod checkup;

/// What one process at a time may do.
mod leases;

/// What is over.
mod prune;

/// What the consuming side of the runtime asks of it.
mod seam;

/// Numbered SQL, compared with what was applied.
mod applied;

/// Numbered SQL, applied.
mod migrate;

/// Roles, and their rights where they are lacking.
mod roles;

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::StoreError;
use address::Address;
use notify::Notifier;
use options::check_schema_name;
use session::Session;
use shared::Shared;
use sql::Sql;

pub use address::check_address;
pub use checkup::{Checkup, DeadOnRecord, Inquiry, Roster, Server, check_up};
pub use depths::DepthMemory;
pub use migrate::{MigrateOptions, migrate, plan};
pub use migrations::{MigrateError, Migration, Migrations, PlannedMigration, Subscription};
pub use options::PostgresOptions;
pub use parked::{Unparking, Unsent, UnsentFilter, UnsentState};
pub use pauses::{Pause, Pausing};
pub use pool_status::PoolStatus;
pub use pooler::is_pooled;
pub use processes::{ConsumerStanding, Process, Sighting};
pub use prune::{EVENTS_KEPT, Extent, PRUNABLE, Prunable};
pub use recent::{RecentFailure, RecentFailures};
pub use roles::{establish_roles, plan_roles};
pub use standing::DeadCount;
pub use table_rows::GROWING;
pub use tokio_postgres::Row;
pub use tokio_postgres::types::ToSql;
pub use transaction::{Params, PostgresTransaction};

/// A pool of connections and what the runtime does with them.
///
/// Cloning is cheap; all clones share the pool.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

impl PostgresStore {
    /// Makes a store from an address; the first use connects.
    ///
    /// A database that is down is no error here: [`probe`](super::Store::probe) tells.
    ///
    /// # Errors
    ///
    /// `Misconfigured`: the address is none, asks for less encryption than it
    /// needs or names no root certificates, or the schema's name is none.
    pub fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        check_schema_name(&options.schema)?;
        let direct = options
            .direct_url
            .as_deref()
            .map(Address::read)
            .transpose()?;
        let address = Address::read(url)?;
        Ok(Self {
            shared: Arc::new(Shared {
                tls: address.tls.clone(),
                pool: connect::pool(address, &options)?,
                sql: Sql::new(&options.schema),
                notifier: Notifier::new(&options.schema),
                schema: options.schema,
                direct,
                answer_max: options.answer_max,
                statement_max: options.statement_max,
                tasks: TaskTracker::new(),
                writes: watch::Sender::new(0),
                walks: Mutex::default(),
            }),
        })
    }

    /// Opens a transaction without a claim, for producers.
    ///
    /// # Errors
    ///
    /// As the class says.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the connection back.
    pub async fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        PostgresTransaction::begin(&self.shared).await
    }

    /// Runs one statement on its own and returns its rows.
    ///
    /// # Errors
    ///
    /// As the class says.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the statement; whether it took effect is unknown.
    pub async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let session = Session::open(&self.shared).await?;
        let client = session.client();
        let work = async {
            client
                .query(&client.prepare_cached(sql).await?, params)
                .await
        };
        session.run_bounded(work).await
    }

    /// Waits for the clean-up of what was dropped and closes all connections.
    ///
    /// # Cancellation
    ///
    /// May be dropped at any time; then connections close when the store is dropped.
    pub async fn close(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.pool.close();
    }
}

impl fmt::Debug for PostgresStore {
    // Configurations hold passwords: they stay out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
