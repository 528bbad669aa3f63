//! The store in memory: the same promises without a database, for simulations and tests.

/// Rows on their way to a queue.
mod outbox;

/// What a handler and a producer hold.
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use self::outbox::Row;
use self::transaction::MemoryTransaction;
use super::{
    Attempt, AttemptOutcome, Claim, DeadLetter, History, KeyState, Store, StoreError,
    StoreErrorClass, Subscription, Transaction,
};
use crate::message::EventKey;

/// A store that lives and dies with the process.
///
/// It does what Postgres does, claims that wait for each other included, and
/// passes the same conformance suite. Nothing in it depends on chance, so a
/// simulation with a fixed schedule runs the same way each time.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Changes when a claim is committed or given back.
    settled: Notify,
    /// Changes when outbox rows are committed.
    writes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    is_down: bool,
    inbox: BTreeMap<(String, EventKey), Inbox>,
    attempts: BTreeMap<(String, String, u32), Attempt>,
    dead_letters: BTreeMap<String, DeadLetter>,
    subscriptions: BTreeMap<String, BTreeSet<String>>,
    outbox: BTreeMap<i64, Row>,
    /// What was ever enqueued: event and destination.
    enqueued: BTreeSet<(EventKey, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inbox {
    Held,
    Done,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds subscriptions, for [`Transaction::publish`].
    pub fn subscribe(&self, subscriptions: &[Subscription]) {
        let mut state = self.shared.lock();
        for Subscription {
            event_type,
            consumer,
        } in subscriptions
        {
            let consumers = state.subscriptions.entry(event_type.clone()).or_default();
            consumers.insert(consumer.clone());
        }
    }

    /// Takes the database down, or brings it back.
    ///
    /// While it is down every call is refused as `Unavailable`, and so is the
    /// commit of a transaction that was open before.
    pub fn set_down(&self, is_down: bool) {
        self.shared.lock().is_down = is_down;
    }

    /// Opens a transaction without a claim, for producers.
    ///
    /// # Errors
    ///
    /// `Unavailable` while the store is down.
    pub fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        drop(self.shared.up()?);
        Ok(Box::new(MemoryTransaction::new(&self.shared, Vec::new())))
    }

    /// Returns the keys that a consumer has done.
    pub fn processed(&self, consumer: &str) -> Vec<EventKey> {
        let state = self.shared.lock();
        let done = state
            .inbox
            .iter()
            .filter(|(_, inbox)| **inbox == Inbox::Done);
        done.filter(|((of, _), _)| of == consumer)
            .map(|((_, key), _)| key.clone())
            .collect()
    }

    /// Returns the ledger of attempts, by consumer, message and receive.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.values().cloned().collect()
    }

    /// Returns the dead letters that were recorded, by the id of their copy.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.shared.lock().dead_letters.values().cloned().collect()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        let claim = (consumer.to_owned(), key.clone());
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            // What ends between the look and the wait is not missed.
            settled.as_mut().enable();
            {
                let mut state = self.shared.up()?;
                match state.inbox.get(&claim) {
                    Some(Inbox::Done) => return Ok(Claim::Duplicate),
                    Some(Inbox::Held) => {}
                    None => {
                        state.inbox.insert(claim.clone(), Inbox::Held);
                        let transaction = MemoryTransaction::new(&self.shared, vec![claim]);
                        return Ok(Claim::New(Box::new(transaction)));
                    }
                }
            }
            settled.await;
        }
    }

    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        let mut state = self.shared.up()?;
        let mut claims = Vec::new();
        let mut states = Vec::with_capacity(keys.len());
        for key in keys {
            let claim = (consumer.to_owned(), key.clone());
            states.push(match state.inbox.get(&claim) {
                Some(Inbox::Held) if claims.contains(&claim) => KeyState::Duplicate,
                Some(Inbox::Held) => KeyState::Contended,
                Some(Inbox::Done) => KeyState::Duplicate,
                None => {
                    state.inbox.insert(claim.clone(), Inbox::Held);
                    claims.push(claim);
                    KeyState::New
                }
            });
        }
        drop(state);
        Ok((
            Box::new(MemoryTransaction::new(&self.shared, claims)),
            states,
        ))
    }

    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        let state = self.shared.up()?;
        let inbox = state.inbox.get(&(consumer.to_owned(), key.clone()));
        let mut history = History {
            processed: inbox == Some(&Inbox::Done),
            ..History::default()
        };
        for row in state.attempts_of(consumer, message_id) {
            history.charged += u32::from(row.outcome.is_charged());
            let earliest =
                |since: Option<Timestamp>| Some(since.map_or(row.at, |since| since.min(row.at)));
            match row.outcome {
                AttemptOutcome::UnknownType => {
                    history.unknown_since = earliest(history.unknown_since);
                }
                AttemptOutcome::Unavailable => {
                    history.unavailable += 1;
                    history.unavailable_since = earliest(history.unavailable_since);
                }
                AttemptOutcome::Started if row.receive < receive => {
                    history.crashes += 1;
                    history.charged += 1;
                }
                _ => {}
            }
            let last = row.receive_last.min(receive.saturating_sub(1));
            history.explained += (last + 1).saturating_sub(row.receive);
        }
        Ok(history)
    }

    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let state = self.shared.up()?;
        let rows: Vec<_> = state.attempts_of(consumer, message_id).cloned().collect();
        Ok(rows[rows.len().saturating_sub(limit)..].to_vec())
    }

    async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let mut state = self.shared.up()?;
        for attempt in attempts {
            let Attempt {
                consumer,
                message_id,
                receive,
                ..
            } = attempt;
            let key = (consumer.clone(), message_id.0.clone(), *receive);
            state.attempts.insert(key, attempt.clone());
        }
        Ok(())
    }

    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        let mut state = self.shared.up()?;
        for letter in dead {
            let key = letter.copy_id.0.clone();
            state
                .dead_letters
                .entry(key)
                .or_insert_with(|| letter.clone());
        }
        Ok(())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.shared.up().map(|_| ())
    }
}

impl State {
    /// Returns the rows of a message in the order of its receives.
    fn attempts_of(&self, consumer: &str, message_id: &str) -> impl Iterator<Item = &Attempt> {
        let row = |receive| (consumer.to_owned(), message_id.to_owned(), receive);
        let rows = self.attempts.range(row(0)..=row(u32::MAX));
        rows.map(|(_, attempt)| attempt)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn up(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        if state.is_down {
            return Err(unavailable("the store was taken down"));
        }
        Ok(state)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorClass::Unavailable, why)
}

fn tell(channel: &watch::Sender<u64>) {
    channel.send_modify(|count| *count = count.wrapping_add(1));
}
