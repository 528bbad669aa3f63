use async_trait::async_trait;

use super::PostgresStore;
use crate::message::EventKey;
use crate::store::{Attempt, Claim, DeadLetter, History, KeyState, Store, StoreError, Transaction};

#[async_trait]
impl Store for PostgresStore {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        self.claim_one(consumer, key).await
    }

    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        self.claim_many(consumer, keys).await
    }

    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        self.read_history(consumer, message_id, receive, key).await
    }

    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.read_attempts(consumer, message_id, limit).await
    }

    async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        self.write_attempts(attempts).await
    }

    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        self.write_dead_letters(dead).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.read_sign_of_life().await
    }
}
