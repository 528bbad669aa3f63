use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{MemoryStore, Shared, State};
use crate::message::NewEvent;
use crate::store::{Outbox, OutboxClaim, OutboxRow, OutboxSettlement, OutboxStats, StoreError};

/// A row of the outbox.
pub(super) struct Row {
    destination: String,
    event: NewEvent,
    created_at: Instant,
    state: RowState,
    is_held: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RowState {
    Unsent,
    Sent,
    Parked,
}

#[derive(Debug)]
struct MemoryOutboxClaim {
    shared: Arc<Shared>,
    rows: Vec<OutboxRow>,
}

impl State {
    /// Writes a row for each subscriber; the same event twice stands once.
    pub(super) fn write_outbox(&mut self, event: &NewEvent) {
        for destination in self
            .subscriptions
            .get(&event.event_type)
            .into_iter()
            .flatten()
        {
            if !self
                .enqueued
                .insert((event.key.clone(), destination.clone()))
            {
                continue;
            }
            let id = self.outbox.last_key_value().map_or(1, |(id, _)| id + 1);
            let row = Row {
                destination: destination.clone(),
                event: NewEvent {
                    ordering_key: event.ordering_key.clone().filter(|key| !key.is_empty()),
                    ..event.clone()
                },
                created_at: Instant::now(),
                state: RowState::Unsent,
                is_held: false,
            };
            self.outbox.insert(id, row);
        }
    }

    fn claim_outbox(&mut self, destination: &str, limit: usize) -> Vec<OutboxRow> {
        let mut claimed = Vec::new();
        let mut keys = BTreeSet::new();
        let unsent = self
            .outbox
            .iter_mut()
            .filter(|(_, row)| row.destination == destination && row.state != RowState::Sent);
        for (id, row) in unsent {
            let key = row.event.ordering_key.as_ref();
            let is_head = key.is_none_or(|key| keys.insert(key.clone()));
            if is_head && row.state == RowState::Unsent && !row.is_held && claimed.len() < limit {
                row.is_held = true;
                claimed.push(OutboxRow {
                    id: *id,
                    event: row.event.clone(),
                });
            }
        }
        claimed
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn claim_rows(
        &self,
        destination: &str,
        limit: usize,
    ) -> Result<Box<dyn OutboxClaim>, StoreError> {
        let rows = self.shared.up()?.claim_outbox(destination, limit);
        Ok(Box::new(MemoryOutboxClaim {
            shared: Arc::clone(&self.shared),
            rows,
        }))
    }

    async fn stats(&self) -> Result<Vec<OutboxStats>, StoreError> {
        let state = self.shared.up()?;
        let mut all: std::collections::BTreeMap<&str, OutboxStats> = Default::default();
        for row in state
            .outbox
            .values()
            .filter(|row| row.state != RowState::Sent)
        {
            let stats = all.entry(&row.destination).or_default();
            stats.destination.clone_from(&row.destination);
            if row.state == RowState::Parked {
                stats.parked += 1;
            } else {
                stats.pending += 1;
                stats.oldest_age = stats.oldest_age.max(row.created_at.elapsed());
            }
        }
        Ok(all.into_values().collect())
    }

    fn writes(&self) -> watch::Receiver<u64> {
        self.shared.writes.subscribe()
    }

    async fn listen(&self, _: CancellationToken) {}
}

#[async_trait]
impl OutboxClaim for MemoryOutboxClaim {
    fn rows(&self) -> &[OutboxRow] {
        &self.rows
    }

    async fn settle(self: Box<Self>, settlement: OutboxSettlement) -> Result<(), StoreError> {
        let mut state = self.shared.up()?;
        let parked = settlement
            .parked
            .iter()
            .map(|(id, _)| (*id, RowState::Parked));
        let sent = settlement.sent.iter().map(|id| (*id, RowState::Sent));
        for (id, became) in sent.chain(parked) {
            if let Some(row) = state.outbox.get_mut(&id) {
                row.state = became;
            }
        }
        Ok(())
    }
}

impl Drop for MemoryOutboxClaim {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        for claimed in &self.rows {
            if let Some(row) = state.outbox.get_mut(&claimed.id) {
                row.is_held = false;
            }
        }
    }
}
