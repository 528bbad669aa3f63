use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::context::Tx;
use super::delivery::Delivery;
use super::error::{BatchError, HandlerError};
use super::execute::{KEEP_MARGIN, commit};
use super::group::{Group, Item, Member};
use super::handler::BatchHandler;
use super::lane::Intake;
use super::outcome::{CONTENDED, Ending, Outcome};
use super::seen::Seen;
use super::station::Station;
use crate::message::{Envelope, Event, RawEnvelope};
use crate::service::retry;
use crate::store::KeyState;

/// How often a group that lost a conflict runs again before its messages are given back.
const CONFLICTS_MAX: u32 = 3;

/// The ceiling of the pause before a group that lost a conflict runs again: whoever won needs
/// about as long.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

/// Events that wait for the committer; their permits bound them already.
pub(super) const QUEUED_MAX: usize = 1_000;

/// Where the events of a committer come in.
pub(super) struct Admission<E> {
    event_type: &'static str,
    station: Arc<Station>,
    items: mpsc::Sender<Item<E>>,
}

/// Commits the work of a batch handler, many events in one transaction.
///
/// While a commit is under way events pile up in the channel, so batches grow
/// with the load by themselves; when idle nobody waits for company.
pub(super) struct CommitGroup<'h, H: BatchHandler> {
    handler: &'h H,
    station: Arc<Station>,
}

/// How a run of a group ended.
enum Ran {
    Committed,
    /// Nothing is committed, and everybody has the same ending.
    All(Ending),
    /// Nothing is committed, and one event is to blame.
    One(usize, Ending),
    /// Nothing is committed, and nobody knows who is to blame.
    Somebody(Ending),
}

impl<E: Event> Admission<E> {
    pub(super) fn new(station: Arc<Station>) -> (Self, mpsc::Receiver<Item<E>>) {
        let (items, admitted) = mpsc::channel(QUEUED_MAX);
        let admission = Self {
            event_type: E::TYPE,
            station,
            items,
        };
        (admission, admitted)
    }

    async fn open(
        &self,
        event: RawEnvelope<'_>,
        delivery: &Delivery,
        seen: &mut Seen,
    ) -> Result<Envelope<E>, Ending> {
        let (station, message, lease) = (&self.station, &delivery.message, &delivery.lease);
        let prepared = station.prepare(&event, message, lease, false, seen).await;
        let admitted = match prepared {
            Ok(()) => station.admit(&event.key, message, lease, seen).await,
            Err(ending) => Err(ending),
        };
        let decoded = event.decode().map_err(Outcome::Undecodable);
        seen.learn(event, Some(self.event_type));
        admitted?;
        Ok(decoded?)
    }
}

#[async_trait]
impl<E: Event> Intake for Admission<E> {
    async fn admit(&self, event: RawEnvelope<'_>, delivery: Delivery, mut seen: Seen) {
        match self.open(event, &delivery, &mut seen).await {
            Err(ending) => self.station.settle(delivery, seen, ending).await,
            Ok(event) => {
                let member = Member { delivery, seen };
                // The committer outlives every delivery.
                let _ = self.items.send(Item { member, event }).await;
            }
        }
    }
}

impl<'h, H: BatchHandler> CommitGroup<'h, H> {
    pub(super) fn new(handler: &'h H, station: Arc<Station>) -> Self {
        Self { handler, station }
    }

    /// Serves events until nothing more comes, and settles them all.
    ///
    /// # Cancellation
    ///
    /// It is never cancelled: the shutdown's token ends the handler inside it.
    pub(super) async fn run(
        &self,
        items: &mut mpsc::Receiver<Item<H::Event>>,
        nothing_more_comes: &CancellationToken,
    ) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = items.recv_many(&mut batch, H::EVENTS_MAX.max(1)) => {
                    if count == 0 {
                        return;
                    }
                    self.work_off(cut(batch.drain(..))).await;
                }
                () = nothing_more_comes.cancelled(), if !items.is_closed() => items.close(),
            }
        }
    }

    /// Runs groups, and the parts that they fall into, until everything is settled.
    async fn work_off(&self, mut groups: VecDeque<Group<H::Event>>) {
        while let Some(mut group) = groups.pop_front() {
            let copies = group.take_copies();
            let ran = self.transact(&mut group).await;
            // A second copy of an event of this batch: done with the first, or to come back.
            let of_copies = match &ran {
                Ran::Committed => Outcome::Duplicate,
                _ => CONTENDED,
            };
            match ran {
                Ran::Committed => self.settle_all(group, Outcome::Processed.into()).await,
                Ran::All(ending) => self.settle_all(group, ending).await,
                Ran::One(index, ending) => {
                    self.settle(group.remove(index), ending).await;
                    groups.push_front(group);
                }
                Ran::Somebody(ending) if group.len() == 1 => self.settle_all(group, ending).await,
                Ran::Somebody(_) => {
                    let half = group.split();
                    groups.push_front(half);
                    groups.push_front(group);
                }
            }
            for member in copies {
                self.settle(member, of_copies.clone().into()).await;
            }
        }
    }

    /// Runs a group, and again when it lost a conflict.
    async fn transact(&self, group: &mut Group<H::Event>) -> Ran {
        for _ in 0..CONFLICTS_MAX {
            match self.transact_once(group).await {
                Ran::All(ending) if ending.outcome == CONTENDED => {
                    sleep(retry::full_jitter(&self.station.jitter, CONFLICT_PAUSE)).await;
                }
                ran => return ran,
            }
        }
        self.transact_once(group).await
    }

    async fn transact_once(&self, group: &mut Group<H::Event>) -> Ran {
        if group.is_empty() {
            return Ran::Committed;
        }
        if self.station.stop_working.is_cancelled() {
            return Ran::All(Outcome::Interrupted.into());
        }
        let (store, consumer) = (&self.station.store, self.station.limits.consumer);
        let (transaction, states) = match store.claim_all(consumer, &group.keys()).await {
            Ok(claimed) => claimed,
            Err(error) => return Ran::All(HandlerError::of_runtime(error).into()),
        };
        for (index, state) in states.iter().enumerate().rev() {
            let outcome = match state {
                KeyState::New => continue,
                KeyState::Duplicate => Outcome::Duplicate,
                KeyState::Contended => CONTENDED,
            };
            self.settle(group.remove(index), outcome.into()).await;
        }
        if group.is_empty() {
            transaction.rollback().await;
            return Ran::Committed;
        }
        let ran = self.handle(group, &mut Tx::new(transaction.as_ref())).await;
        match ran {
            Ran::Committed => match commit(transaction).await {
                Ending {
                    outcome: Outcome::Processed,
                    ..
                } => Ran::Committed,
                ending => of_error(ending),
            },
            ran => {
                transaction.rollback().await;
                ran
            }
        }
    }

    /// Calls the handler; its events share one timeout.
    async fn handle(&self, group: &Group<H::Event>, tx: &mut Tx<'_>) -> Ran {
        let limit = self.station.limits.handler_timeout;
        for member in group.members() {
            let lease = &member.delivery.lease;
            lease.keep_until(Instant::now() + limit + KEEP_MARGIN);
        }
        let running = async { timeout(limit, self.handler.handle(group.events(), tx)).await };
        let interruptible = async {
            tokio::select! {
                biased;
                ended = running => Some(ended),
                () = self.station.stop_working.cancelled() => None,
            }
        };
        match AssertUnwindSafe(interruptible).catch_unwind().await {
            Err(_panic) => Ran::Somebody(Outcome::Panicked.into()),
            Ok(None) => Ran::All(Outcome::Interrupted.into()),
            Ok(Some(Err(_))) => Ran::Somebody(Outcome::TimedOut.into()),
            Ok(Some(Ok(Ok(())))) => Ran::Committed,
            Ok(Some(Ok(Err(BatchError {
                index: Some(index),
                error,
            }))))
                if index < group.len() =>
            {
                Ran::One(index, error.into())
            }
            Ok(Some(Ok(Err(BatchError { error, .. })))) => of_error(error.into()),
        }
    }

    async fn settle_all(&self, group: Group<H::Event>, ending: Ending) {
        let members = group.into_members().into_iter();
        join_all(members.map(|member| self.settle(member, ending.clone()))).await;
    }

    async fn settle(&self, member: Member, ending: Ending) {
        let Member { delivery, seen } = member;
        self.station.settle(delivery, seen, ending).await;
    }
}

/// Cuts a batch into groups: a message that failed before runs alone, and so does a suspect.
fn cut<E>(batch: impl Iterator<Item = Item<E>>) -> VecDeque<Group<E>> {
    let mut together = Group::new();
    let mut groups = VecDeque::new();
    let started = Instant::now();
    for Item { mut member, event } in batch {
        member.seen.started = started;
        if member.seen.history.charged > 0 || member.seen.is_suspect(&member.delivery.message) {
            let mut alone = Group::new();
            alone.push(member, event);
            groups.push_back(alone);
        } else {
            together.push(member, event);
        }
    }
    groups.push_front(together);
    groups
}

/// Blames nobody for an outage or a conflict, and somebody for everything else.
fn of_error(ending: Ending) -> Ran {
    match ending.outcome {
        Outcome::Unavailable { .. } => Ran::All(ending),
        _ => Ran::Somebody(ending),
    }
}
