use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::session::Session;
use super::sql::{BEGIN, CHECK_CONSTRAINTS};
use super::{Row, Shared};
use crate::message::NewEvent;
use crate::service::traces::Span;
use crate::store::{StoreError, StoreErrorClass, Transaction};

/// Parameters of a statement, as the driver takes them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// An open transaction on a connection of its own, at READ COMMITTED.
///
/// Statements take `&self`, so that several can be under way at once: those
/// that are polled together, as `tokio::join!` does, share a round trip and run
/// in that order. Each is prepared once a connection and kept by its text;
/// values belong into parameters, never into the text.
///
/// Settings and locks of the session (`SET`, `LISTEN`, temporary tables) would
/// outlive the transaction and meet a stranger; use their `LOCAL` or `xact` form.
///
/// # Cancellation
///
/// Dropping it, or a statement of it, is safe at any time: what runs is
/// cancelled, everything is rolled back, and the connection goes back to the
/// pool clean or not at all. The dropping itself does not block.
#[derive(Debug)]
pub struct PostgresTransaction {
    session: Session,
    failed: OnceLock<(StoreErrorClass, Option<String>)>,
    has_published: AtomicBool,
}

impl PostgresTransaction {
    /// Opens a transaction on a connection of the pool.
    pub(super) async fn begin(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let transaction = Self::unopened(shared).await?;
        transaction.open(BEGIN).await?;
        Ok(transaction)
    }

    /// Takes a connection; the caller sends [`Self::open`] next, ahead of all else.
    pub(super) async fn unopened(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        Ok(Self {
            session: Session::open(shared).await?,
            failed: OnceLock::new(),
            has_published: AtomicBool::new(false),
        })
    }

    /// Sends the statement that opens it. From here on a drop rolls back.
    pub(super) async fn open(&self, begin: &str) -> Result<(), StoreError> {
        self.session.set_in_transaction(true);
        self.noted(
            self.session
                .run_bounded(self.session.client().batch_execute(begin))
                .await,
        )
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Runs a statement and returns how many rows it concerned.
    ///
    /// # Errors
    ///
    /// As the class says. Any error aborts the transaction: nothing of it can be
    /// committed any more, and [`commit`](Self::commit) fails the same way.
    pub async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let client = self.session.client();
        let work = async { client.execute(&self.prepare(sql).await?, params).await };
        self.noted(self.session.run_within(self.limit(), work).await)
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let client = self.session.client();
        let work = async { client.query(&self.prepare(sql).await?, params).await };
        self.noted(self.session.run_within(self.limit(), work).await)
    }

    /// Runs a statement and returns its first row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn query_opt(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs a statement that has to return a row, and returns the first.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); of class `Statement` if there is no row.
    pub async fn query_one(&self, sql: &str, params: Params<'_>) -> Result<Row, StoreError> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| StoreError::new(StoreErrorClass::Statement, "the statement found no row"))
    }

    /// Writes outbox rows for the subscribers of each event's type.
    ///
    /// Returns for each event how many subscribers there are. An event with a
    /// key that was published before stands once.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn publish_all(&self, events: &[NewEvent]) -> Result<Vec<usize>, StoreError> {
        let column = |of: fn(&NewEvent) -> &str| events.iter().map(of).collect::<Vec<&str>>();
        let optional =
            |of: fn(&NewEvent) -> Option<&str>| -> Vec<_> { events.iter().map(of).collect() };
        let times: Vec<_> = events.iter().map(|event| event.time).collect();
        // They end with the statement, and show an event that is then rolled back, too.
        let spans: Vec<_> = events.iter().map(creation).collect();
        let traces = events.iter().zip(&spans).map(|(event, span)| {
            let trace = span.context().or_else(|| event.trace.clone())?;
            Some((trace.to_string(), trace.state()))
        });
        let (parents, states): (Vec<_>, Vec<_>) = traces
            .map(|trace| trace.map_or((None, None), |(parent, state)| (Some(parent), state)))
            .unzip();
        let params: Params<'_> = &[
            &column(|event| &event.key.source),
            &column(|event| &event.key.id),
            &column(|event| &event.event_type),
            &times,
            &column(|event| &event.data),
            &optional(|event| event.ordering_key.as_deref()),
            &parents,
            &states,
        ];
        let sql = &self.session.shared().sql.publish;
        let client = self.session.client();
        let work = async { client.query(&self.prepare(sql).await?, params).await };
        let rows = self.noted(self.session.run_bounded(work).await)?;
        let counts: Vec<usize> = rows
            .iter()
            .map(|row| usize::try_from(row.get::<_, i64>("subscribers")).unwrap_or(0))
            .collect();
        if counts.iter().any(|count| *count > 0) {
            self.has_published.store(true, Ordering::Relaxed);
        }
        Ok(counts)
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// After an error of class `Unavailable` the outcome is unknown; after any
    /// other, nothing was committed. If a statement failed before, this fails
    /// with that statement's class.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the outcome unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        if let Err(error) = self.check_unbroken() {
            self.rollback().await;
            return Err(error);
        }
        // Postgres answers the COMMIT of a failed transaction with a rollback
        // and without an error. Where an answer was never looked at, a statement
        // in front of it fails in its stead.
        let sql = if self.session.has_unanswered() {
            "select; commit"
        } else {
            "commit"
        };
        self.session
            .run_bounded(self.session.client().batch_execute(sql))
            .await?;
        self.session.set_in_transaction(false);
        if self.has_published.load(Ordering::Relaxed) {
            self.session.shared().tell_of_writes();
        }
        Ok(())
    }

    /// Makes the checks that a commit would make now, and fails as it would.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit): a statement failed before, or a deferred constraint is
    /// violated.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.check_unbroken()?;
        let checked = self.session.client().batch_execute(CHECK_CONSTRAINTS);
        self.noted(self.session.run_bounded(checked).await)
    }

    /// Rolls back, and gives the connection back to the pool.
    pub async fn rollback(self) {
        let session = &self.session;
        if session.has_unanswered() {
            // Dropping cancels first.
            return;
        }
        if session
            .run_bounded(session.client().batch_execute("rollback"))
            .await
            .is_ok()
        {
            session.set_in_transaction(false);
        }
    }

    /// Fails as the first statement did that failed.
    fn check_unbroken(&self) -> Result<(), StoreError> {
        match self.failed.get() {
            None => Ok(()),
            Some((class, sqlstate)) => Err(StoreError {
                class: *class,
                sqlstate: sqlstate.clone(),
                source: Some("an earlier statement failed and ended the transaction".into()),
            }),
        }
    }

    fn limit(&self) -> Duration {
        self.session.shared().statement_max
    }

    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        self.session.client().prepare_cached(sql).await
    }

    /// Remembers the first failure.
    pub(super) fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            let _ = self.failed.set((error.class, error.sqlstate.clone()));
        }
        result
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Self::commit(*self).await
    }

    async fn rollback(self: Box<Self>) {
        Self::rollback(*self).await;
    }

    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError> {
        let counts = self.publish_all(std::slice::from_ref(event)).await?;
        Ok(counts.into_iter().sum())
    }

    fn postgres(&self) -> Option<&PostgresTransaction> {
        Some(self)
    }
}
/// Begins the span of an event: its row is where its trace goes on.
fn creation(event: &NewEvent) -> Span {
    let mut span = Span::create(&event.event_type, event.trace.as_ref());
    span.event(&event.event_type, &event.key.source, &event.key.id);
    span
}
