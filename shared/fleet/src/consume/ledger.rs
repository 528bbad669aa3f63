use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{Attempt, Store, StoreError, StoreErrorClass};

/// The most rows that are held. Each stands for a message that was given back, and receiving
/// stops when the database is found down, so the permits bound them long before this does.
const HELD_MAX: usize = 10_000;

/// The account of receives that did not end well, which outlives an outage of the database.
///
/// A row that cannot be written is held, and goes out with the next one that can: at the latest
/// before the breaker lets messages in again, so that no receive is left without an explanation.
#[derive(Debug)]
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    held: Mutex<Held>,
}

/// Rows by message and receive: the later word on a receive counts.
type Held = BTreeMap<(String, u32), Attempt>;

/// Rows on their way to the database; what does not arrive is held again, be it that nobody waits.
struct UnderWay<'l> {
    ledger: &'l Ledger,
    rows: Held,
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            held: Mutex::default(),
        }
    }

    /// Writes rows, and with them those that are held.
    ///
    /// # Errors
    ///
    /// They are held, but for rows that the database refuses as they are.
    ///
    /// # Cancellation
    ///
    /// They are held.
    pub(super) async fn write(
        &self,
        attempts: impl IntoIterator<Item = Attempt>,
    ) -> Result<(), StoreError> {
        self.hold(attempts);
        self.write_held().await
    }

    /// Keeps rows until the database can take them.
    pub(super) fn hold(&self, attempts: impl IntoIterator<Item = Attempt>) {
        let mut held = self.lock();
        for attempt in attempts {
            held.insert(place(&attempt), attempt);
        }
        let surplus = held.len().saturating_sub(HELD_MAX);
        for _ in 0..surplus {
            held.pop_last();
        }
        drop(held);
        if surplus > 0 {
            tracing::warn!(rows = surplus, "rows of the attempts ledger were dropped");
        }
    }

    /// Asks the database for a sign of life that a handler could rely on, and writes what is held.
    ///
    /// # Errors
    ///
    /// The database is not to be relied on yet.
    ///
    /// # Cancellation
    ///
    /// What was not written is held.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        self.store.probe().await?;
        match self.write_held().await {
            // It answered; a refusal of rows is no outage.
            Err(error) if error.class != StoreErrorClass::Unavailable => Ok(()),
            written => written,
        }
    }

    /// Writes what is held.
    ///
    /// # Errors
    ///
    /// It is held on, but for rows that the database refuses as they are.
    ///
    /// # Cancellation
    ///
    /// What was not written is held.
    pub(super) async fn write_held(&self) -> Result<(), StoreError> {
        let mut under_way = UnderWay {
            ledger: self,
            rows: std::mem::take(&mut *self.lock()),
        };
        if under_way.rows.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = under_way.rows.values().cloned().collect();
        let written = self.store.record_attempts(&rows).await;
        match &written {
            Ok(()) => under_way.rows.clear(),
            // The next time it would be refused again.
            Err(error)
                if matches!(
                    error.class,
                    StoreErrorClass::Data | StoreErrorClass::Statement
                ) =>
            {
                under_way.rows.clear();
            }
            Err(_) => {}
        }
        written
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut held = self.ledger.lock();
        for (place, attempt) in std::mem::take(&mut self.rows) {
            held.entry(place).or_insert(attempt);
        }
    }
}

fn place(attempt: &Attempt) -> (String, u32) {
    (attempt.message_id.0.clone(), attempt.receive)
}
