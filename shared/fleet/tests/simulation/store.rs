use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{EventKey, NewEvent};
use fleet::store::{
    Attempt, Claim, DeadLetter, History, KeyState, MemoryStore, PostgresTransaction, Store,
    StoreError, StoreErrorClass, Transaction,
};
use tokio::time::timeout;

use crate::process::Process;
use crate::world::World;

/// How long the driver waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a claim waits for another transaction.
const LOCK_MAX: Duration = Duration::from_secs(30);

/// More rows than the ledger ever has of one message.
const ROWS_MAX: usize = 10_000;

/// A process's way to the database, on which everything goes wrong that can.
#[derive(Clone, Debug)]
pub(crate) struct ShakyStore {
    pub(crate) process: Arc<Process>,
    pub(crate) inner: MemoryStore,
}

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    Fails(StoreErrorClass),
    /// It has no effect and no answer.
    Hangs,
    /// It has its effect, and no answer.
    LosesAnswer,
    /// A commit has its effect after this time, and no answer.
    ComesLate(Duration),
}

/// A transaction that ends with its process, and the effects that it will have.
struct OpenTransaction {
    process: Arc<Process>,
    number: u64,
    effects: Mutex<Vec<usize>>,
}

impl ShakyStore {
    /// Keeps a transaction for as long as its process lives.
    fn open(&self, transaction: Box<dyn Transaction>) -> Box<dyn Transaction> {
        Box::new(OpenTransaction {
            number: self.process.keep(transaction),
            process: Arc::clone(&self.process),
            effects: Mutex::default(),
        })
    }

    /// Makes a call with an effect.
    async fn call<T>(
        &self,
        what: &'static str,
        messages: &[usize],
        effect: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let call = async {
            let fate = begin(&self.process, what, messages).await?;
            let effect = effect.await?;
            finish(&self.process, fate).await?;
            Ok(effect)
        };
        self.process.alive(call).await
    }

    /// Checks everything that the ledger charges the messages of some rows.
    async fn check_charges(&self, rows: &[Attempt]) -> Result<(), StoreError> {
        for row in rows {
            let id = &row.message_id.0;
            let rows = Store::attempts(&self.inner, &row.consumer, id, ROWS_MAX).await?;
            let truth = &mut self.process.world.lock().truth;
            let message = truth.message(id).expect("it was sent");
            truth.charged(message, &rows);
        }
        Ok(())
    }

    fn message(&self, id: &str) -> Vec<usize> {
        let truth = &self.process.world.lock().truth;
        truth.message(id).into_iter().collect()
    }
}

#[async_trait]
impl Store for ShakyStore {
    async fn claim(&self, consumer: &str, key: &EventKey) -> Result<Claim, StoreError> {
        let claiming = async {
            let claim = timeout(LOCK_MAX, self.inner.claim(consumer, key)).await;
            let conflict = |_| StoreError::new(StoreErrorClass::Conflict, "another was faster");
            Ok(match claim.map_err(conflict)?? {
                Claim::New(transaction) => Claim::New(self.open(transaction)),
                Claim::Duplicate => Claim::Duplicate,
            })
        };
        self.call("claims", &[], claiming).await
    }

    async fn claim_all(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<(Box<dyn Transaction>, Vec<KeyState>), StoreError> {
        let claiming = async {
            let (transaction, states) = self.inner.claim_all(consumer, keys).await?;
            Ok((self.open(transaction), states))
        };
        self.call("claims many", &[], claiming).await
    }

    async fn history(
        &self,
        consumer: &str,
        message_id: &str,
        receive: u32,
        key: &EventKey,
    ) -> Result<History, StoreError> {
        let looking = self.inner.history(consumer, message_id, receive, key);
        self.call("looks up", &self.message(message_id), looking)
            .await
    }

    async fn attempts(
        &self,
        consumer: &str,
        message_id: &str,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let reading = Store::attempts(&self.inner, consumer, message_id, limit);
        self.call("reads up", &self.message(message_id), reading)
            .await
    }

    async fn record_attempts(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        let ids = attempts.iter().map(|attempt| &attempt.message_id.0);
        let messages: Vec<usize> = ids.flat_map(|id| self.message(id)).collect();
        let recording = async {
            self.inner.record_attempts(attempts).await?;
            for attempt in attempts {
                let message = self.message(&attempt.message_id.0);
                self.process.note(attempt.outcome.as_str(), &message);
                let state = &mut *self.process.world.lock();
                for message in message {
                    state.truth.recorded(self.process.number, message, attempt);
                }
            }
            self.check_charges(attempts).await
        };
        self.call("records", &messages, recording).await
    }

    async fn record_dead_letters(&self, dead: &[DeadLetter]) -> Result<(), StoreError> {
        let recording = self.inner.record_dead_letters(dead);
        self.call("records the dead", &[], recording).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.call("probes", &[], self.inner.probe()).await
    }
}

#[async_trait]
impl Transaction for OpenTransaction {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let effects = std::mem::take(
            self.effects
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let commit = async {
            let fate = begin(&self.process, "commits", &[]).await?;
            // Only a process that is dead has none, and that does not come here.
            let Some(transaction) = self.process.take(self.number) else {
                return std::future::pending().await;
            };
            let world = Arc::clone(&self.process.world);
            if let Fate::ComesLate(after) = fate {
                self.process.note("  is on its way for long", &[]);
                world.lock().truth.commits_late(&effects);
                tokio::spawn(async move {
                    world.rest(after).await;
                    drop(commit(transaction, &world, &effects).await);
                });
                return std::future::pending().await;
            }
            commit(transaction, &world, &effects).await?;
            finish(&self.process, fate).await
        };
        self.process
            .alive(timeout(ANSWER_MAX, commit))
            .await
            .unwrap_or_else(|_| Err(unavailable()))
    }

    async fn rollback(self: Box<Self>) {
        drop(self.process.take(self.number));
        self.process.pass().await;
    }

    async fn publish(&self, event: &NewEvent) -> Result<usize, StoreError> {
        let statement = async {
            let fate = begin(&self.process, "writes", &[]).await?;
            finish(&self.process, fate).await
        };
        self.process.alive(statement).await?;
        let effect = event.key.id.parse().expect("an effect names its event");
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.push(effect);
        Ok(0)
    }

    fn postgres(&self) -> Option<&PostgresTransaction> {
        None
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        drop(self.process.take(self.number));
    }
}

impl std::fmt::Debug for OpenTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenTransaction").finish_non_exhaustive()
    }
}

fn fate(process: &Process) -> Fate {
    let state = &mut *process.world.lock();
    if state.is_store_down {
        return Fate::Fails(StoreErrorClass::Unavailable);
    }
    let (chance, rate) = (&mut state.chance, state.weather.store);
    if !chance.permille(6 * rate) {
        return Fate::Passes;
    }
    match chance.within(0..=6) {
        0 => Fate::Fails(StoreErrorClass::Unavailable),
        1 => Fate::Fails(StoreErrorClass::Busy),
        2 => Fate::Fails(StoreErrorClass::Conflict),
        3 => Fate::Hangs,
        4 => Fate::ComesLate(chance.millis(0..=20_000)),
        _ => Fate::LosesAnswer,
    }
}

/// Sends a statement on its way, and returns what becomes of it if it arrives.
async fn begin(
    process: &Process,
    what: &'static str,
    messages: &[usize],
) -> Result<Fate, StoreError> {
    process.pass().await;
    process.note(what, messages);
    let fate = fate(process);
    process.world.rest(process.world.latency()).await;
    process.pass().await;
    match fate {
        Fate::Fails(class) => {
            process.note("  is refused", messages);
            Err(StoreError::new(class, "shaken"))
        }
        Fate::Hangs => {
            process.note("  hangs", messages);
            process.world.rest(ANSWER_MAX).await;
            process.pass().await;
            Err(unavailable())
        }
        Fate::Passes | Fate::LosesAnswer | Fate::ComesLate(_) => Ok(fate),
    }
}

/// Brings the answer back, if it gets through.
async fn finish(process: &Process, fate: Fate) -> Result<(), StoreError> {
    process.pass().await;
    process.world.rest(process.world.latency()).await;
    process.pass().await;
    if process.world.lock().is_store_down || fate == Fate::LosesAnswer {
        process.note("  loses an answer", &[]);
        return Err(unavailable());
    }
    Ok(())
}

async fn commit(
    transaction: Box<dyn Transaction>,
    world: &World,
    effects: &[usize],
) -> Result<(), StoreError> {
    transaction.commit().await?;
    let state = &mut *world.lock();
    state.truth.committed(effects);
    Ok(())
}

fn unavailable() -> StoreError {
    StoreError::new(StoreErrorClass::Unavailable, "shaken")
}
