use std::time::Duration;

use tokio::time::Instant;

use crate::store::{PostgresStore, StoreError};

/// How long a lease lasts: a leader that was killed is succeeded after this.
const LEASE: Duration = Duration::from_secs(15);

/// A leader with less than this left asks for more before it goes on. It is longer than any
/// statement it could have under way when the lease ends.
const LEFT_MIN: Duration = Duration::from_secs(10);

/// What one process at a time may do, and whether this is the one.
///
/// A leader counts from before it asked, so that it steps down before another one can step up.
#[derive(Debug)]
pub struct Leadership {
    store: PostgresStore,
    lease: String,
    holder: String,
    until: Option<Instant>,
}

impl Leadership {
    /// Makes the candidacy of a process for pruning.
    pub fn of_pruning(store: &PostgresStore, process: &str) -> Self {
        Self::of("pruning", store, process)
    }

    /// Makes the candidacy of a process for measuring a queue.
    pub fn of_depth(store: &PostgresStore, queue: &str, process: &str) -> Self {
        Self::of(format!("depth:{queue}"), store, process)
    }

    /// Makes the candidacy of a process for estimating how large tables are.
    pub fn of_tables(store: &PostgresStore, process: &str) -> Self {
        Self::of("tables", store, process)
    }

    fn of(lease: impl Into<String>, store: &PostgresStore, process: &str) -> Self {
        Self {
            store: store.clone(),
            lease: lease.into(),
            holder: process.to_owned(),
            until: None,
        }
    }

    /// Takes the lease if it is free, or makes it last longer; tells whether this process leads.
    ///
    /// # Errors
    ///
    /// As the class says; then it leads for as long as it knew before.
    ///
    /// # Cancellation
    ///
    /// As after an error.
    pub async fn keep(&mut self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let is_held = self
            .store
            .take_lease(&self.lease, &self.holder, LEASE)
            .await?;
        match (self.until.is_some(), is_held) {
            (false, true) => tracing::info!(lease = self.lease.as_str(), "this process leads"),
            (true, false) => {
                tracing::warn!(lease = self.lease.as_str(), "another process leads now")
            }
            (true, true) | (false, false) => {}
        }
        self.until = is_held.then(|| asked + LEASE);
        Ok(is_held)
    }

    /// Tells whether this process leads for long enough to begin something, and asks for more
    /// time if it has to.
    ///
    /// # Errors
    ///
    /// As [`Leadership::keep`].
    ///
    /// # Cancellation
    ///
    /// As [`Leadership::keep`].
    pub async fn confirm(&mut self) -> Result<bool, StoreError> {
        match self.until {
            Some(until) if until.saturating_duration_since(Instant::now()) >= LEFT_MIN => Ok(true),
            _ => self.keep().await,
        }
    }

    /// Steps down, so that the next one need not wait.
    ///
    /// # Errors
    ///
    /// As the class says; the lease ends by itself.
    pub async fn resign(&mut self) -> Result<(), StoreError> {
        match self.until.take() {
            Some(_) => self.store.give_lease_back(&self.lease, &self.holder).await,
            None => Ok(()),
        }
    }
}
