use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::tls::Tls;
use super::{Shared, failure};
use crate::store::StoreError;

/// How long a statement that nobody waits for may go on by itself. Nearly all
/// end sooner, and then the connection can be used again.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long a server may take to give up a statement that it was asked to cancel.
const CANCEL_MAX: Duration = Duration::from_secs(2);

/// A connection of the pool that goes back clean or not at all.
///
/// It knows of statements whose future was dropped before their answer came,
/// and of an open transaction. With either left over, dropping it hands the
/// connection to a short task that rolls back, and cancels what takes long.
#[derive(Debug)]
pub(super) struct Session {
    object: Option<Object>,
    shared: Arc<Shared>,
    unanswered: AtomicUsize,
    in_transaction: AtomicBool,
    broken: AtomicBool,
}

/// A connection in an unknown state: whoever drops it, drops the connection.
struct Dirty(Option<Object>);

impl Session {
    /// Takes a connection from the pool, or makes one.
    ///
    /// # Errors
    ///
    /// `Busy` if none became free in time; `Unavailable` if none can be made;
    /// `Misconfigured` if the server is one that the fleet refuses.
    pub(super) async fn open(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let object = shared.pool.get().await.map_err(failure::of_pool)?;
        Ok(Self {
            object: Some(object),
            shared: Arc::clone(shared),
            unanswered: AtomicUsize::new(0),
            in_transaction: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        })
    }

    pub(super) fn client(&self) -> &ClientWrapper {
        self.object
            .as_ref()
            .expect("the connection leaves only when the session is dropped")
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Says that a transaction is about to be opened, or is known to be closed.
    pub(super) fn set_in_transaction(&self, open: bool) {
        self.in_transaction.store(open, Ordering::Relaxed);
        if !open {
            // Whatever was unanswered was answered before: answers come in order.
            self.unanswered.store(0, Ordering::Relaxed);
        }
    }

    /// Tells whether the outcome of some statement was never looked at.
    pub(super) fn has_unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
    }

    async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        // Dropped at this await, the statement stays counted.
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let result = work.await;
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        result.map_err(|error| {
            let error = failure::of_statement(error);
            if error
                .sqlstate
                .as_deref()
                .is_none_or(|state| ["0A000", "26000"].contains(&state))
            {
                // The prepared statements or the connection itself are unusable.
                self.broken.store(true, Ordering::Relaxed);
            }
            error
        })
    }

    /// Runs a statement of the runtime within its limit.
    ///
    /// A server that merely waits, for a lock or its disk, cancels the
    /// statement when asked and answers so; one that hangs is unavailable.
    pub(super) async fn run_bounded<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        self.run_within(self.shared.answer_max, work).await
    }

    /// Runs a statement within a limit, as [`Self::run_bounded`].
    pub(super) async fn run_within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let mut work = std::pin::pin!(self.run(work));
        if let Ok(result) = timeout(limit, &mut work).await {
            return result;
        }
        self.broken.store(true, Ordering::Relaxed);
        cancel(self.client(), &self.shared.tls).await;
        timeout(CANCEL_MAX, work)
            .await
            .unwrap_or_else(|_| Err(failure::no_answer(limit)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        let dirty = Dirty(Some(object));
        let unanswered = *self.unanswered.get_mut() > 0;
        if *self.broken.get_mut() {
            return;
        }
        if !unanswered && !*self.in_transaction.get_mut() {
            return dirty.put_back();
        }
        // Without a runtime nobody can talk to the server; closing says enough.
        if let Ok(runtime) = Handle::try_current() {
            let tls = self.shared.tls.clone();
            self.shared.tasks.spawn_on(clean_up(dirty, tls), &runtime);
        }
    }
}

impl Dirty {
    fn put_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Dirty {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// Rolls back, and gives the connection back to the pool if that was all it took.
async fn clean_up(dirty: Dirty, tls: Tls) {
    if let Some(client) = &dirty.0
        && rolls_back(client, &tls).await
    {
        dirty.put_back();
    }
}

async fn rolls_back(client: &ClientWrapper, tls: &Tls) -> bool {
    // Answers come in order: after this one nothing of the old is left.
    let mut rollback = std::pin::pin!(client.batch_execute("rollback"));
    if let Ok(answer) = timeout(PATIENCE, &mut rollback).await {
        return answer.is_ok();
    }
    cancel(client, tls).await;
    // The locks are free with the answer; then the connection is closed.
    let _ = timeout(CANCEL_MAX, rollback).await;
    false
}

/// Asks the server to cancel what runs on a connection, which is not to be used again.
///
/// Nothing tells when the server's signal arrives: it could hit the statement
/// of the next user. Whether it worked shows in the answer to the statement.
async fn cancel(client: &ClientWrapper, tls: &Tls) {
    let token = client.cancel_token();
    let _ = timeout(CANCEL_MAX, token.cancel_query(tls.clone())).await;
}
