use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Inbox, Shared, tell, unavailable};
use crate::message::{EventKey, NewEvent};
use crate::store::{PostgresTransaction, StoreError, Transaction};

/// An open transaction; its claims are held until it ends.
pub(super) struct MemoryTransaction {
    shared: Arc<Shared>,
    claims: Vec<(String, EventKey)>,
    effects: Mutex<Effects>,
}

#[derive(Default)]
struct Effects {
    published: Vec<NewEvent>,
    has_failed: bool,
}

impl MemoryTransaction {
    pub(super) fn new(shared: &Arc<Shared>, claims: Vec<(String, EventKey)>) -> Self {
        Self {
            shared: Arc::clone(shared),
            claims,
            effects: Mutex::default(),
        }
    }
}

#[async_trait]
impl Transaction for MemoryTransaction {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let effects = std::mem::take(
            self.effects
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let has_published = !effects.published.is_empty();
        {
            let mut state = self.shared.up()?;
            if effects.has_failed {
                return Err(unavailable(
                    "an earlier statement failed and ended the transaction",
                ));
            }
            for claim in self.claims.drain(..) {
                state.inbox.insert(claim, Inbox::Done);
            }
            for event in effects.published {
                state.write_outbox(&event);
            }
        }
        if has_published {
            tell(&self.shared.writes);
        }
        Ok(())
    }

    async fn rollback(self: Box<Self>) {}

    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError> {
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        let subscribers = match self.shared.up() {
            Ok(state) => state
                .subscriptions
                .get(&event.event_type)
                .map_or(0, BTreeSet::len),
            Err(error) => {
                effects.has_failed = true;
                return Err(error);
            }
        };
        effects.published.push(event.clone());
        Ok(subscribers)
    }

    fn postgres(&self) -> Option<&PostgresTransaction> {
        None
    }
}

impl Drop for MemoryTransaction {
    /// Gives back what was not committed, and wakes who waits for it.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        for claim in &self.claims {
            state.inbox.remove(claim);
        }
        drop(state);
        self.shared.settled.notify_waiters();
    }
}

impl fmt::Debug for MemoryTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransaction")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
