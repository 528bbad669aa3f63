use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::context::Tx;
use super::delivery::Delivery;
use super::error::{BatchError, HandlerError};
use super::execute::{Prepared, commit, failed};
use super::handler::BatchHandler;
use super::outcome::Outcome;
use super::settle::Seen;
use super::station::Station;
use crate::message::{Envelope, EventKey, RawEnvelope};
use crate::store::KeyState;

/// How long an event waits whose key another transaction holds.
const CONTENDED: Outcome = Outcome::Unavailable { dependency: None };

/// How often a group that lost a conflict runs again before its messages are given back.
const CONFLICTS_MAX: u32 = 3;

/// Deliveries that wait for the committer; their permits bound them already.
pub(super) const QUEUED_MAX: usize = 1_000;

/// Commits the work of a batch handler, many events in one transaction.
///
/// While a commit is under way deliveries pile up in the channel, so batches
/// grow with the load by themselves; when idle nobody waits for company.
pub(super) struct CommitGroup<'h, H: BatchHandler> {
    handler: &'h H,
    station: Arc<Station>,
}

/// Events that run in one transaction; both lists have the same order.
struct Group<E> {
    items: Vec<Item>,
    events: Vec<Envelope<E>>,
}

/// One delivery, and what was learnt about it.
struct Item {
    delivery: Delivery,
    seen: Seen,
}

/// How a run of a group ended.
enum Ran {
    Committed,
    /// Nothing is committed, and everybody has the same outcome.
    All(Outcome),
    /// Nothing is committed, and one event is to blame.
    One(usize, Outcome),
    /// Nothing is committed, and nobody knows who is to blame.
    Somebody(Outcome),
}

impl<'h, H: BatchHandler> CommitGroup<'h, H> {
    pub(super) fn new(handler: &'h H, station: Arc<Station>) -> Self {
        Self { handler, station }
    }

    /// Serves deliveries until their channel closes.
    pub(super) async fn run(self, mut deliveries: mpsc::Receiver<Delivery>) {
        let mut batch = Vec::new();
        while deliveries.recv_many(&mut batch, H::EVENTS_MAX).await > 0 {
            let groups = self.open(std::mem::take(&mut batch)).await;
            self.work_off(groups).await;
        }
    }

    /// Decodes a batch and cuts it into groups: a message that failed before runs alone.
    async fn open(&self, batch: Vec<Delivery>) -> VecDeque<Group<H::Event>> {
        let mut together = Group::new();
        let mut groups = VecDeque::new();
        for delivery in batch {
            let mut item = Item {
                seen: Seen::new(),
                delivery,
            };
            match self.decode(&mut item).await {
                Err(outcome) => self.settle(item, outcome).await,
                Ok(event) if item.seen.charged > 0 => {
                    groups.push_back(Group {
                        items: vec![item],
                        events: vec![event],
                    });
                }
                Ok(event) => together.push(item, event),
            }
        }
        groups.push_front(together);
        groups
    }

    async fn decode(&self, item: &mut Item) -> Result<Envelope<H::Event>, Outcome> {
        let event = RawEnvelope::open(&item.delivery.message, &self.station.limits.queue)
            .map_err(Outcome::Undecodable)?;
        match self
            .station
            .prepare(&event, &item.delivery, &mut item.seen, false)
            .await
        {
            Prepared::Ended(outcome) => Err(outcome),
            Prepared::Ready => event.decode().map_err(Outcome::Undecodable),
        }
    }

    /// Runs groups, and the parts that they fall into, until everything is settled.
    async fn work_off(&self, mut groups: VecDeque<Group<H::Event>>) {
        while let Some(mut group) = groups.pop_front() {
            if group.items.is_empty() {
                continue;
            }
            let mut copies = Vec::new();
            let ran = self.transact(&mut group, &mut copies).await;
            let of_copies = match &ran {
                Ran::Committed => Outcome::Duplicate,
                _ => CONTENDED,
            };
            match ran {
                Ran::Committed => self.settle_all(group, Outcome::Processed).await,
                Ran::All(outcome) => self.settle_all(group, outcome).await,
                Ran::One(index, outcome) => {
                    let item = group.remove(index);
                    self.settle(item, outcome).await;
                    groups.push_front(group);
                }
                Ran::Somebody(outcome) if group.items.len() == 1 => {
                    self.settle_all(group, outcome).await;
                }
                Ran::Somebody(_) => {
                    let half = group.split();
                    groups.push_front(half);
                    groups.push_front(group);
                }
            }
            // A second copy of an event of this batch: done with the first, or to come back.
            for item in copies {
                self.settle(item, of_copies.clone()).await;
            }
        }
    }

    async fn transact(&self, group: &mut Group<H::Event>, copies: &mut Vec<Item>) -> Ran {
        copies.extend(group.take_copies());
        let mut conflicts = 0;
        loop {
            match self.transact_once(group).await {
                Ran::All(outcome) if outcome == CONTENDED && conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                }
                ran => return ran,
            }
        }
    }

    async fn transact_once(&self, group: &mut Group<H::Event>) -> Ran {
        let keys: Vec<EventKey> = group.events.iter().map(|event| event.key.clone()).collect();
        let claimed = self
            .station
            .store
            .claim_all(self.station.limits.consumer, &keys)
            .await;
        let (transaction, states) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => return Ran::All(failed(error.into())),
        };
        for (index, state) in states.iter().enumerate().rev() {
            let outcome = match state {
                KeyState::New => continue,
                KeyState::Duplicate => Outcome::Duplicate,
                KeyState::Contended => CONTENDED,
            };
            let item = group.remove(index);
            self.settle(item, outcome).await;
        }
        if group.items.is_empty() {
            transaction.rollback().await;
            return Ran::Committed;
        }
        let ran = self
            .handle(&group.events, &mut Tx::new(transaction.as_ref()))
            .await;
        match ran {
            Ran::Committed => match commit(transaction).await {
                Outcome::Processed => Ran::Committed,
                outcome => Ran::All(outcome),
            },
            ran => {
                transaction.rollback().await;
                ran
            }
        }
    }

    /// Calls the handler; its events share one timeout.
    async fn handle(&self, events: &[Envelope<H::Event>], tx: &mut Tx<'_>) -> Ran {
        let limit: Duration = self.station.limits.handler_timeout;
        let running = AssertUnwindSafe(self.handler.handle(events, tx)).catch_unwind();
        let ended = tokio::select! {
            biased;
            ended = timeout(limit, running) => ended,
            () = self.station.stop_working.cancelled() => return Ran::All(Outcome::Interrupted),
        };
        match ended {
            Err(_) => Ran::Somebody(Outcome::TimedOut),
            Ok(Err(_)) => Ran::Somebody(Outcome::Panicked),
            Ok(Ok(Ok(()))) => Ran::Committed,
            Ok(Ok(Err(BatchError {
                index: Some(index),
                error,
            }))) if index < events.len() => Ran::One(index, failed(error)),
            Ok(Ok(Err(BatchError { error, .. }))) => match error {
                HandlerError::Unavailable { .. } | HandlerError::Contended { .. } => {
                    Ran::All(failed(error))
                }
                error => Ran::Somebody(failed(error)),
            },
        }
    }

    async fn settle_all(&self, group: Group<H::Event>, outcome: Outcome) {
        for item in group.items {
            self.settle(item, outcome.clone()).await;
        }
    }

    async fn settle(&self, item: Item, outcome: Outcome) {
        self.station.settle(item.delivery, item.seen, outcome).await;
    }
}

impl<E> Group<E> {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            events: Vec::new(),
        }
    }

    fn push(&mut self, item: Item, event: Envelope<E>) {
        self.items.push(item);
        self.events.push(event);
    }

    fn remove(&mut self, index: usize) -> Item {
        self.events.remove(index);
        self.items.remove(index)
    }

    /// Keeps the first half and returns the second.
    fn split(&mut self) -> Self {
        let half = self.items.len() / 2;
        Self {
            items: self.items.split_off(half),
            events: self.events.split_off(half),
        }
    }

    /// Takes out every delivery whose event stands in the group before it.
    fn take_copies(&mut self) -> Vec<Item> {
        let mut keys = BTreeSet::new();
        let repeated: Vec<usize> = (0..self.events.len())
            .filter(|index| !keys.insert(self.events[*index].key.clone()))
            .collect();
        repeated
            .into_iter()
            .rev()
            .map(|index| self.remove(index))
            .collect()
    }
}
