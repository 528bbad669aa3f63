use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::postgres::{PostgresStore, PostgresTransaction};
use super::{
    Attempt, Claim, DeadLetter, History, KeyState, Store, StoreError, StoreErrorClass, Transaction,
};
use crate::message::{EventKey, NewEvent};

/// A store on Postgres in which nothing stays.
///
/// A commit makes the checks of a commit and rolls back. What was published is remembered here.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    store: PostgresStore,
    published: Publications,
}

/// An event that a handler published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Publication {
    /// The type.
    pub event_type: String,
    /// How many consumers subscribe to it.
    pub subscribers: usize,
}

type Publications = Arc<Mutex<Vec<Publication>>>;

/// A transaction that is never committed.
#[derive(Debug)]
struct Tried {
    transaction: Box<dyn Transaction>,
    published: Publications,
}

impl Trial {
    pub(crate) fn on(store: &PostgresStore) -> Self {
        Self {
            store: store.clone(),
            published: Arc::default(),
        }
    }

    /// Takes what was published up to now.
    pub(crate) fn take_published(&self) -> Vec<Publication> {
        std::mem::take(&mut lock(&self.published))
    }

    fn tried(&self, transaction: Box<dyn Transaction>) -> Box<dyn Transaction> {
        let published = Arc::clone(&self.published);
        Box::new(Tried {
            transaction,
            published,
        })
    }
}

#[async_trait]
impl Store for Trial {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        Ok(match self.store.claim(consumer, key).await? {
            Claim::New(transaction) => Claim::New(self.tried(transaction)),
            Claim::Duplicate => Claim::Duplicate,
        })
    }

    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        let (transaction, states) = self.store.claim_all(consumer, keys).await?;
        Ok((self.tried(transaction), states))
    }

    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        self.store.history(consumer, message_id, receive, key).await
    }

    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.store.attempts(consumer, message_id, limit).await
    }

    async fn record_attempts(&self, _: &[Attempt]) -> Result<(), StoreError> {
        Err(leaves_nothing())
    }

    async fn record_dead_letters(&self, _: &[DeadLetter]) -> Result<(), StoreError> {
        Err(leaves_nothing())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.store.probe().await
    }
}

#[async_trait]
impl Transaction for Tried {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let checked = match self.transaction.postgres() {
            Some(postgres) => postgres.check().await,
            None => Ok(()),
        };
        self.transaction.rollback().await;
        checked
    }

    async fn rollback(self: Box<Self>) {
        self.transaction.rollback().await;
    }

    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError> {
        let subscribers = self.transaction.publish(event).await?;
        lock(&self.published).push(Publication {
            event_type: event.event_type.clone(),
            subscribers,
        });
        Ok(subscribers)
    }

    fn postgres(&self) -> Option<&PostgresTransaction> {
        self.transaction.postgres()
    }
}

fn lock(published: &Publications) -> MutexGuard<'_, Vec<Publication>> {
    published.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leaves_nothing() -> StoreError {
    StoreError::new(
        StoreErrorClass::Statement,
        "a rehearsal leaves nothing behind",
    )
}
