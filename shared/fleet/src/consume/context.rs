use std::fmt;

use tokio::time::{Duration, Instant};

use super::error::{HandlerError, Seal};
use crate::message::{EventKey, NewEvent};
use crate::service::failpoint;
use crate::service::traces::TraceContext;
use crate::store::{
    Claim, PostgresTransaction, Row, Store, StoreError, StoreErrorClass, ToSql, Transaction,
};

/// What a handler gets beside its event: the way into the transaction, and the time that is left.
pub struct Context<'a> {
    store: &'a dyn Store,
    consumer: &'a str,
    key: &'a EventKey,
    attempt: u32,
    deadline: Instant,
    trace: Option<&'a TraceContext>,
    open: Option<Box<dyn Transaction>>,
}

/// The transaction that holds the claim of the event and takes its effect.
///
/// It is committed by the runtime after the handler has returned; an error, a
/// timeout or a panic rolls it back.
pub struct Tx<'a> {
    transaction: &'a dyn Transaction,
    /// The trace in which its events go on.
    trace: Option<&'a TraceContext>,
}

/// The proof that a handler is done.
///
/// Only [`Tx::finish`] and [`Context::nothing_to_do`] make one, so that a
/// success path which forgot to claim its event does not compile.
///
/// ```compile_fail,E0423
/// // Its field is private.
/// let done = fleet::Done(());
/// ```
///
/// ```compile_fail,E0277
/// // It has no default, and nothing can be converted into it.
/// let done: fleet::Done = Default::default();
/// ```
#[derive(Debug)]
#[must_use = "a handler returns it"]
pub struct Done(());

impl<'a> Context<'a> {
    pub(super) fn new(
        store: &'a dyn Store,
        consumer: &'a str,
        key: &'a EventKey,
        attempt: u32,
        deadline: Instant,
    ) -> Self {
        Self {
            store,
            consumer,
            key,
            attempt,
            deadline,
            trace: None,
            open: None,
        }
    }

    /// Says in which trace the handler works.
    pub(super) fn traced(mut self, trace: Option<&'a TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// Opens the transaction and claims the event in it.
    ///
    /// Calls to other services come before it: an open transaction holds a
    /// connection and locks.
    ///
    /// # Errors
    ///
    /// An event that is done already, or a database that cannot take it, ends
    /// the handler: pass the error on by `?`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future rolls back.
    pub async fn begin(&mut self) -> Result<Tx<'_>, HandlerError> {
        if self.open.is_none() {
            let claimed = self.store.claim(self.consumer, self.key).await;
            match claimed.map_err(HandlerError::of_runtime)? {
                Claim::New(transaction) => self.open = Some(transaction),
                Claim::Duplicate => return Err(HandlerError::Duplicate(Seal(()))),
            }
            failpoint::reach("consume.claimed");
        }
        let transaction = self
            .open
            .as_deref()
            .expect("the transaction was opened above");
        Ok(Tx::new(transaction).traced(self.trace))
    }

    /// Says that this event needs no effect here, and so no claim.
    pub fn nothing_to_do(&self) -> Done {
        Done(())
    }

    /// Returns the number of this attempt, from 1; deploys and outages are not counted.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the place in the trace of this work, to hand on with calls to other services.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace
    }

    /// Returns how long the handler may still run.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Takes the open transaction, to commit it.
    pub(super) fn into_transaction(self) -> Option<Box<dyn Transaction>> {
        self.open
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(transaction: &'a dyn Transaction) -> Self {
        Self {
            transaction,
            trace: None,
        }
    }

    /// Says in which trace events go on that name none.
    pub(super) fn traced(mut self, trace: Option<&'a TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    ///
    /// The database's error, classified; `?` passes it on as a [`HandlerError`].
    pub async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        self.postgres()?.execute(sql, params).await
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    ///
    /// As [`Tx::execute`].
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.postgres()?.query(sql, params).await
    }

    /// Runs a query and returns its only row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Tx::execute`]; more than one row is an error too.
    pub async fn query_opt(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        self.postgres()?.query_opt(sql, params).await
    }

    /// Publishes an event through the outbox: it leaves if, and only if, the transaction commits.
    ///
    /// # Errors
    ///
    /// As [`Tx::execute`].
    pub async fn publish(&self, event: &NewEvent) -> Result<(), StoreError> {
        let published = match (self.trace, &event.trace) {
            (Some(trace), None) => {
                let mut event = event.clone();
                event.trace = Some(trace.clone());
                self.transaction.publish(&event).await
            }
            _ => self.transaction.publish(event).await,
        };
        published.map(drop)
    }

    /// Ends the handler's work in it; the runtime commits after the handler has returned.
    ///
    /// Nothing that comes after may assume that the effect is durable.
    pub fn finish(self) -> Done {
        Done(())
    }

    fn postgres(&self) -> Result<&PostgresTransaction, StoreError> {
        self.transaction.postgres().ok_or_else(|| StoreError {
            class: StoreErrorClass::Statement,
            sqlstate: None,
            source: Some("the memory store runs no SQL".into()),
        })
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("consumer", &self.consumer)
            .field("key", &self.key)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}
