//! Broken fleets, each with one mistake that consumers of queues are known to make: the
//! simulation has to find every one of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{EventKey, Failure, Message, MessageId, NewEvent, Outgoing, Receipt};
use fleet::queue::{Entries, Queue, QueueAttributes, QueueError};
use fleet::store::{
    Attempt, AttemptOutcome, Claim, DeadLetter, History, KeyState, PostgresTransaction, Store,
    StoreError, Transaction,
};

use crate::member::{Rig, Rigging};
use crate::process::Process;
use crate::queue::original;
use crate::seeds::first_broken;

/// Within so many seeds every mistake has to be found.
const SEEDS_MAX: u64 = 400;

/// A mistake of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    AcknowledgesFirst,
    DeletesBeforeItCopies,
    /// Takes a copy that failed for one that is there.
    TrustsCopies,
    /// Waits for an answer without a limit, with a permit in hand.
    WaitsForEver,
    KnowsEventsByTheirMessage,
    /// Takes an extension that failed for one that was made.
    TrustsHeartbeats,
    ClaimsApartFromTheEffect,
    /// Takes a commit that never was for one that was made.
    TrustsCommits,
    ChargesOutages,
    ForgetsWhatStarted,
}

/// A way to a queue, with a mistake.
#[derive(Debug)]
struct WrongQueue {
    inner: Arc<dyn Queue>,
    /// The way to the queue of the messages.
    work: Arc<dyn Queue>,
    process: Arc<Process>,
    mistake: Mistake,
}

/// A way to the database, with a mistake.
#[derive(Debug)]
struct WrongStore {
    inner: Arc<dyn Store>,
    mistake: Mistake,
}

/// A transaction that says that it was committed.
#[derive(Debug)]
struct Boast(Box<dyn Transaction>);

fn wrong(rig: Rig, mistake: Mistake) -> Rig {
    let Rig {
        process,
        receive,
        settle,
        lease,
        dead_letters,
        store,
    } = rig;
    let queue = |inner: Arc<dyn Queue>| -> Arc<dyn Queue> {
        Arc::new(WrongQueue {
            inner,
            work: Arc::clone(&settle),
            process: Arc::clone(&process),
            mistake,
        })
    };
    Rig {
        receive: queue(receive),
        lease: queue(lease),
        dead_letters: queue(dead_letters),
        store: Arc::new(WrongStore {
            inner: store,
            mistake,
        }),
        settle,
        process,
    }
}

impl WrongQueue {
    /// Returns the receipts of messages that copies are made of.
    fn receipts_of(&self, copies: &[Outgoing]) -> Vec<Receipt> {
        let state = self.process.world.lock();
        let receipt = |failure: Failure| {
            let brought = state.brought.iter().rev();
            let mut originals = brought.filter(|message| message.id.0 == failure.message_id);
            originals.next().map(|message| message.receipt.clone())
        };
        let failures = copies.iter().filter_map(original);
        failures.filter_map(receipt).collect()
    }
}

#[async_trait]
impl Queue for WrongQueue {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let mut messages = self.inner.receive(max, wait).await?;
        match self.mistake {
            Mistake::AcknowledgesFirst if !messages.is_empty() => {
                let receipts: Vec<_> = messages.iter().map(|m| m.receipt.clone()).collect();
                drop(self.work.delete(&receipts).await);
            }
            Mistake::KnowsEventsByTheirMessage => {
                for message in &mut messages {
                    let id = format!(r#""id":"{}"#, message.id);
                    message.body = message.body.replacen(r#""id":""#, &id, 1);
                }
            }
            _ => {}
        }
        Ok(messages)
    }

    async fn send(&self, copies: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        if self.mistake == Mistake::DeletesBeforeItCopies {
            drop(self.work.delete(&self.receipts_of(copies)).await);
        }
        let sent = self.inner.send(copies).await;
        match self.mistake {
            Mistake::TrustsCopies if sent.is_err() => {
                let id = |_: &Outgoing| Ok(MessageId("nowhere".to_owned()));
                Ok(copies.iter().map(id).collect())
            }
            Mistake::WaitsForEver if sent.is_err() => std::future::pending().await,
            _ => sent,
        }
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        self.inner.delete(receipts).await
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        let changed = self.inner.change_visibility(changes).await;
        match self.mistake {
            Mistake::TrustsHeartbeats => Ok(changes.iter().map(|_| Ok(())).collect()),
            _ => changed,
        }
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        self.inner.attributes().await
    }
}

#[async_trait]
impl Store for WrongStore {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        let Claim::New(transaction) = self.inner.claim(consumer, key).await? else {
            return Ok(Claim::Duplicate);
        };
        match self.mistake {
            Mistake::ClaimsApartFromTheEffect => {
                transaction.commit().await?;
                let another = EventKey::new("/effects", key.id.clone());
                self.inner.claim(consumer, &another).await
            }
            Mistake::TrustsCommits => Ok(Claim::New(Box::new(Boast(transaction)))),
            _ => Ok(Claim::New(transaction)),
        }
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
        let mut attempts = attempts.to_vec();
        match self.mistake {
            Mistake::ChargesOutages => {
                for attempt in &mut attempts {
                    if attempt.outcome == AttemptOutcome::Unavailable {
                        attempt.outcome = AttemptOutcome::Failed;
                    }
                }
            }
            Mistake::ForgetsWhatStarted => {
                attempts.retain(|attempt| attempt.outcome != AttemptOutcome::Started);
            }
            _ => {}
        }
        self.inner.record_attempts(&attempts).await
    }

    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        self.inner.record_dead_letters(dead).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.inner.probe().await
    }
}

#[async_trait]
impl Transaction for Boast {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        drop(self.0.commit().await);
        Ok(())
    }

    async fn rollback(self: Box<Self>) {
        self.0.rollback().await;
    }

    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError> {
        self.0.publish(event).await
    }

    fn postgres(&self) -> Option<&PostgresTransaction> {
        self.0.postgres()
    }
}

#[track_caller]
fn check(mistake: Mistake, rigging: Rigging, invariants: &[&str]) {
    let found = first_broken(0..SEEDS_MAX, rigging);
    let (seed, story) = found.unwrap_or_else(|| panic!("{mistake:?} is not found"));
    let violation = story.violation.expect("it was found");
    assert!(
        invariants.contains(&violation.invariant),
        "{mistake:?}: seed {seed}: {violation:?}"
    );
}

#[test]
fn every_known_mistake_is_found() {
    macro_rules! found {
        ($mistake:ident, $($invariant:literal),+) => {
            check(
                Mistake::$mistake,
                |rig| wrong(rig, Mistake::$mistake),
                &[$($invariant),+],
            )
        };
    }
    found!(AcknowledgesFirst, "nothing is deleted early");
    found!(DeletesBeforeItCopies, "nothing is deleted early");
    found!(TrustsCopies, "nothing is deleted early");
    found!(WaitsForEver, "every permit comes back");
    found!(KnowsEventsByTheirMessage, "an effect is there once");
    found!(TrustsHeartbeats, "a lost lease cancels its handler");
    found!(ClaimsApartFromTheEffect, "nothing is deleted early");
    found!(TrustsCommits, "nothing is deleted early");
    found!(ChargesOutages, "attempts are honest");
    found!(
        ForgetsWhatStarted,
        "poison is contained",
        "receives stay within reason"
    );
}
