use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::commit::commit;
use super::context::Tx;
use super::error::{BatchError, HandlerError};
use super::group::{Group, Item, Member, cut};
use super::handler::BatchHandler;
use super::outcome::{CONTENDED, Ending, Outcome};
use super::station::Station;
use super::waiting::KEEP_MARGIN;
use crate::message::Event as _;
use crate::service::failpoint;
use crate::service::retry;
use crate::store::KeyState;

/// How often a group that lost a conflict runs again before its messages are given back.
const CONFLICTS_MAX: u32 = 3;

/// The ceiling of the pause before a group that lost a conflict runs again: whoever won needs
/// about as long.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

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
        let (mut batch, mut is_drained) = (Vec::new(), false);
        let mut paused = FuturesUnordered::new();
        loop {
            let groups = tokio::select! {
                biased;
                Some((item, again)) = paused.next() => match again {
                    Ok(()) => cut([item]),
                    Err(ending) => {
                        self.settle(item.member, ending).await;
                        continue;
                    }
                },
                count = items.recv_many(&mut batch, H::EVENTS_MAX.max(1)), if !is_drained => {
                    is_drained = count == 0;
                    cut(batch.drain(..))
                }
                () = nothing_more_comes.cancelled(), if !items.is_closed() => {
                    items.close();
                    continue;
                }
                else => return,
            };
            let kept = self.work_off(groups).await;
            paused.extend(kept.into_iter().map(|item| self.pause(item)));
        }
    }

    async fn pause(&self, mut item: Item<H::Event>) -> (Item<H::Event>, Result<(), Ending>) {
        let again = self.station.pause(&mut item.member.delivery).await;
        (item, again)
    }

    /// Runs groups, and the parts that they fall into, until everything is settled or kept.
    async fn work_off(&self, mut groups: VecDeque<Group<H::Event>>) -> Vec<Item<H::Event>> {
        let mut kept = Vec::new();
        while let Some(mut group) = groups.pop_front() {
            self.confirm_leases(&mut group).await;
            let copies = group.take_copies();
            let ran = self.transact(&mut group).await;
            // Of a group that was committed some may have been taken out before.
            let done = match &ran {
                Ran::Committed => group.keys(),
                _ => Vec::new(),
            };
            match ran {
                Ran::Committed => self.settle_all(group, Outcome::Processed.into()).await,
                Ran::All(ending) => {
                    // One is enough to see when what they all need is back.
                    kept.extend(self.keep_or_settle(group.take(0), ending.clone()).await);
                    self.settle_all(group, ending).await;
                }
                Ran::One(index, ending) => {
                    kept.extend(self.keep_or_settle(group.take(index), ending).await);
                    groups.push_front(group);
                }
                Ran::Somebody(ending) if group.len() == 1 => self.settle_all(group, ending).await,
                Ran::Somebody(_) => {
                    let half = group.split();
                    groups.push_front(half);
                    groups.push_front(group);
                }
            }
            // A second copy of an event of this batch: done with the first, or to come back.
            for member in copies {
                let key = member.seen.key.as_ref();
                let ending = match key.is_some_and(|key| done.contains(key)) {
                    true => Outcome::Duplicate,
                    false => CONTENDED,
                };
                self.settle(member, ending.into()).await;
            }
        }
        kept
    }

    /// Makes sure of every lease: a message that had to wait here may be somebody else's by now.
    async fn confirm_leases(&self, group: &mut Group<H::Event>) {
        let leases = group.members().iter().map(|member| &member.delivery.lease);
        let confirmed = join_all(leases.map(|lease| self.station.confirm(lease))).await;
        for (index, confirmed) in confirmed.into_iter().enumerate().rev() {
            if let Err(ending) = confirmed {
                self.settle(group.remove(index), ending).await;
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
        failpoint::reach("batch.claimed");
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
        // What one message alone brings about belongs to its trace; of many, to no one's.
        let trace = match group.members() {
            [alone] => alone.seen.trace.as_ref(),
            _ => None,
        };
        let mut tx = Tx::new(transaction.as_ref()).traced(trace);
        let began = Instant::now();
        let ran = self.handle(group, &mut tx).await;
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
                failpoint::reach("batch.rolled_back");
                match ran {
                    Ran::Somebody(ending) if ending.outcome == Outcome::TimedOut => {
                        let stop = &self.station.stop_working;
                        let judged = self.station.breaker.judge_timeout(began, stop).await;
                        of_error(judged.into())
                    }
                    ran => ran,
                }
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

    async fn keep_or_settle(
        &self,
        mut item: Item<H::Event>,
        mut ending: Ending,
    ) -> Option<Item<H::Event>> {
        let Member { delivery, seen } = &mut item.member;
        if self
            .station
            .keeps(delivery, seen, H::Event::TYPE, &mut ending)
        {
            return Some(item);
        }
        self.settle(item.member, ending).await;
        None
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

/// Blames nobody for an outage, a conflict or a shutdown, and somebody for everything else.
fn of_error(ending: Ending) -> Ran {
    match ending.outcome {
        Outcome::Unavailable { .. } | Outcome::Interrupted => Ran::All(ending),
        _ => Ran::Somebody(ending),
    }
}
