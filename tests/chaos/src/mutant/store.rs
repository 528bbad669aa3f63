use std::sync::Arc;

use async_trait::async_trait;
use fleet::message::EventKey;
use fleet::store::{
    Attempt, Claim, DeadLetter, History, KeyState, PostgresOptions, PostgresStore, Store,
    StoreError, Transaction,
};

/// How many connections the effects have that no claim protects.
const POOL_SIZE: usize = 8;

/// A way to the database on which claims and effects are not committed together.
#[derive(Debug)]
pub(super) struct Careless {
    inner: Arc<dyn Store>,
    /// Where the effects are made.
    effects: PostgresStore,
    claims: Claims,
}

/// What becomes of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    /// They are committed before the effect is begun.
    First,
    /// There are none.
    Never,
}

impl Careless {
    /// Makes effects in the database of this process.
    pub(super) fn new(inner: Arc<dyn Store>, claims: Claims) -> Self {
        let url = std::env::var("DATABASE_URL").expect("a worker has a database");
        let options = PostgresOptions {
            pool_size: POOL_SIZE,
            ..PostgresOptions::default()
        };
        let effects = PostgresStore::connect(&url, options).expect("the worker's own did connect");
        Self {
            inner,
            effects,
            claims,
        }
    }
}

#[async_trait]
impl Store for Careless {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        if self.claims == Claims::First {
            match self.inner.claim(consumer, key).await? {
                Claim::New(claimed) => claimed.commit().await?,
                Claim::Duplicate => return Ok(Claim::Duplicate),
            }
        }
        Ok(Claim::New(Box::new(self.effects.begin().await?)))
    }

    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        self.inner.claim_all(consumer, keys).await
    }

    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        let history = self.inner.history(consumer, message_id, receive, key);
        history.await
    }

    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.inner.attempts(consumer, message_id, limit).await
    }

    async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        self.inner.record_attempts(attempts).await
    }

    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        self.inner.record_dead_letters(dead).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.inner.probe().await
    }
}
