use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::message::{MessageId, Receipt};
use crate::queue::{BATCH_ENTRIES_MAX, Queue};
use crate::service::health::Pulse;
use crate::service::metrics::ConsumerMetrics;

/// Extensions under way at once: enough for 2,000 leases a second at 25 ms a call.
const CALLS_MAX: usize = 8;

/// Leases due within this time share a call.
const COALESCE: Duration = Duration::from_millis(250);

/// The pause before a failed extension is tried again; the real deadline ends it.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often the keeper shows that it is alive when nothing is due.
const TICK: Duration = Duration::from_secs(1);

/// The leases of one consumer: which messages are ours, and until when.
///
/// A long handler keeps its message by extensions at half of the visibility
/// timeout. They run on a thread of their own, so that a handler which blocks
/// its thread loses no lease.
pub struct Leases {
    visibility: Duration,
    metrics: ConsumerMetrics,
    state: Mutex<State>,
    /// Something became due earlier than the keeper expects.
    earlier: Notify,
    /// An extension that somebody may wait for has ended.
    extended: Notify,
}

#[derive(Default)]
struct State {
    held: HashMap<MessageId, Held>,
    due: BTreeSet<(Instant, MessageId)>,
    generations: u64,
}

struct Held {
    /// Tells this lease from an earlier one of the same message.
    generation: u64,
    receipt: Receipt,
    deadline: Instant,
    due: Instant,
    extending: bool,
    lost: CancellationToken,
}

/// One message that is ours until the lease ends or is lost.
///
/// Dropping it forgets the message; SQS hands it out again when the visibility
/// timeout has passed.
pub struct Lease {
    id: MessageId,
    generation: u64,
    leases: Arc<Leases>,
    lost: CancellationToken,
}

/// What is left of a lease that ended in order.
#[derive(Debug)]
pub struct EndedLease {
    /// The newest receipt of the message.
    pub receipt: Receipt,
    /// Until when the receipt is good.
    pub deadline: Instant,
}

/// The message belongs to somebody else now.
#[derive(Debug, thiserror::Error)]
#[error("the lease was lost")]
pub struct LeaseLost;

impl Leases {
    /// Makes an empty set for a queue of this visibility timeout.
    pub fn new(visibility: Duration, metrics: ConsumerMetrics) -> Arc<Self> {
        Arc::new(Self {
            visibility,
            metrics,
            state: Mutex::default(),
            earlier: Notify::new(),
            extended: Notify::new(),
        })
    }

    /// Takes a message under lease; the clock runs since its receive was sent.
    ///
    /// A message that is being worked on already only hands over its newer
    /// receipt, and there is no second lease.
    pub fn hold(
        self: &Arc<Self>,
        id: &MessageId,
        receipt: &Receipt,
        sent: Instant,
    ) -> Option<Lease> {
        let deadline = sent + self.visibility;
        let due = sent + self.visibility / 2;
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(held) = state.held.get_mut(id) {
            held.receipt = receipt.clone();
            held.deadline = held.deadline.max(deadline);
            return None;
        }
        let lost = CancellationToken::new();
        state.generations += 1;
        let generation = state.generations;
        let held = Held {
            generation,
            receipt: receipt.clone(),
            deadline,
            due,
            extending: false,
            lost: lost.clone(),
        };
        let is_first = state.due.first().is_none_or(|(first, _)| due < *first);
        state.held.insert(id.clone(), held);
        state.due.insert((due, id.clone()));
        drop(guard);
        if is_first {
            self.earlier.notify_one();
        }
        Some(Lease {
            id: id.clone(),
            generation,
            leases: Arc::clone(self),
            lost,
        })
    }

    /// Extends leases as they become due, until told to stop.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the extensions; the leases run out by themselves.
    pub async fn keep(&self, queue: &dyn Queue, pulse: &Pulse, stop: &CancellationToken) {
        let mut calls = FuturesUnordered::new();
        loop {
            pulse.tick();
            let next = match self.next_batch(calls.len() < CALLS_MAX) {
                Next::Batch(batch) => {
                    calls.push(self.extend(queue, batch));
                    continue;
                }
                Next::Due(due) => due.min(Instant::now() + TICK),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(()) = calls.next(), if !calls.is_empty() => {}
                () = sleep_until(next) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Takes the leases that are due; those whose deadline has passed are lost.
    fn next_batch(&self, may_call: bool) -> Next {
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut batch = Vec::new();
        while let Some((due, _)) = state.due.first() {
            if *due > now + COALESCE || (*due > now && batch.is_empty()) {
                break;
            }
            if !may_call || batch.len() == BATCH_ENTRIES_MAX {
                break;
            }
            let Some((_, id)) = state.due.pop_first() else {
                break;
            };
            let Some(held) = state.held.get_mut(&id) else {
                continue;
            };
            if held.deadline <= now {
                self.lose(held);
                state.held.remove(&id);
                continue;
            }
            held.extending = true;
            batch.push(Extension {
                generation: held.generation,
                receipt: held.receipt.clone(),
                id,
            });
        }
        let due = state.due.first().map_or(now + TICK, |(due, _)| *due);
        if batch.is_empty() {
            Next::Due(due.max(now + Duration::from_millis(1)))
        } else {
            Next::Batch(batch)
        }
    }

    async fn extend(&self, queue: &dyn Queue, batch: Vec<Extension>) {
        let sent = Instant::now();
        let changes: Vec<_> = batch
            .iter()
            .map(|entry| (entry.receipt.clone(), self.visibility))
            .collect();
        let answer = queue.change_visibility(&changes).await;
        let now = Instant::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        for (index, Extension { id, generation, .. }) in batch.into_iter().enumerate() {
            let Some(held) = state.of(&id, generation) else {
                continue;
            };
            held.extending = false;
            match answer.as_ref().map(|entries| entries.get(index)) {
                Ok(Some(Ok(()))) => {
                    self.metrics.lease_extensions.increment("extended");
                    held.deadline = sent + self.visibility;
                    held.due = sent + self.visibility / 2;
                }
                Ok(Some(Err(entry))) if entry.is_lease_lost() => {
                    self.lose(held);
                    state.held.remove(&id);
                    continue;
                }
                Ok(_) | Err(_) => {
                    self.metrics.lease_extensions.increment("failed");
                    held.due = (now + RETRY_PAUSE).min(held.deadline);
                }
            }
            let due = held.due;
            state.due.insert((due, id));
        }
        drop(guard);
        if let Err(error) = answer {
            tracing::warn!(
                queue = queue.name(),
                error = &error as &dyn std::error::Error,
                "leases were not extended"
            );
        }
        self.extended.notify_waiters();
    }

    fn lose(&self, held: &Held) {
        self.metrics.leases_lost.increment(1);
        held.lost.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(&mut self, id: &MessageId, generation: u64) -> Option<&mut Held> {
        self.held
            .get_mut(id)
            .filter(|held| held.generation == generation)
    }

    fn remove(&mut self, id: &MessageId, generation: u64) -> Option<Held> {
        let due = self.of(id, generation)?.due;
        self.due.remove(&(due, id.clone()));
        self.held.remove(id)
    }
}

/// One entry of a call that extends leases.
struct Extension {
    id: MessageId,
    generation: u64,
    receipt: Receipt,
}

/// What the keeper does next.
enum Next {
    Batch(Vec<Extension>),
    Due(Instant),
}

impl Lease {
    /// Completes when the lease is lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Makes sure that at least half of the visibility timeout is left, and extends the lease if not.
    ///
    /// # Errors
    ///
    /// The lease was lost meanwhile.
    pub async fn confirm(&self) -> Result<(), LeaseLost> {
        loop {
            let extended = self.leases.extended.notified();
            tokio::pin!(extended);
            extended.as_mut().enable();
            {
                let now = Instant::now();
                let mut guard = self.leases.lock();
                let state = &mut *guard;
                let held = state
                    .held
                    .get_mut(&self.id)
                    .filter(|held| held.generation == self.generation)
                    .ok_or(LeaseLost)?;
                if held.deadline.saturating_duration_since(now) >= self.leases.visibility / 2 {
                    return Ok(());
                }
                if !held.extending && held.due > now {
                    state.due.remove(&(held.due, self.id.clone()));
                    held.due = now;
                    state.due.insert((now, self.id.clone()));
                }
            }
            self.leases.earlier.notify_one();
            tokio::select! {
                biased;
                () = self.lost.cancelled() => return Err(LeaseLost),
                () = extended => {}
            }
        }
    }

    /// Ends the lease and returns the newest receipt, for the settlement.
    ///
    /// An extension under way is waited for: it would undo the settlement.
    ///
    /// # Errors
    ///
    /// The lease was lost: the message belongs to somebody else.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the lease.
    pub async fn end(self) -> Result<EndedLease, LeaseLost> {
        loop {
            let extended = self.leases.extended.notified();
            tokio::pin!(extended);
            extended.as_mut().enable();
            {
                let mut guard = self.leases.lock();
                let held = guard.of(&self.id, self.generation).ok_or(LeaseLost)?;
                if !held.extending {
                    let held = guard.remove(&self.id, self.generation).ok_or(LeaseLost)?;
                    return Ok(EndedLease {
                        receipt: held.receipt,
                        deadline: held.deadline,
                    });
                }
            }
            extended.await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().remove(&self.id, self.generation);
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("held", &self.lock().held.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
