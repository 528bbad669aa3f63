use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::courier::Courier;
use super::held::Held;
use super::order::{End, Order, Report, Step};
use super::patience::journal;
use super::sorter::Sorter;
use super::trouble::ReplayTrouble;
use super::under_way::UnderWay;
use crate::dead_letter::scan::{receive_patiently, release};
use crate::message::Receipt;
use crate::service::failpoint;

/// How many receives, with what follows from them, are under way at once on a standard queue.
const LANES: usize = 8;

/// How many fruitless receives in a row say that a FIFO queue has nothing more.
const FRUITLESS_FIFO: usize = 2;

/// The most messages that are held: SQS hands out about 120,000 at once, and others need some.
///
/// Source: SQS developer guide, "In-flight messages".
const HELD_MAX: usize = 100_000;

/// Replays what is meant until there is nothing left, the limit is reached, or `stop` is
/// cancelled.
///
/// A message that is not meant, or could not be sent, is hidden meanwhile and given back at the
/// end. Whatever ends it, another one can go on.
///
/// # Cancellation
///
/// Dropping it loses nothing, but leaves what it has received hidden for the lease. Cancel `stop`
/// instead: then what is under way is finished, and the rest given back.
pub async fn run(
    order: &Order<'_>,
    stop: &CancellationToken,
    see: &(dyn Fn(Step) + Send + Sync),
) -> Report {
    let run = Run {
        order,
        courier: Courier {
            replay: order.id,
            journal: order.journal,
            source: order.source,
            destination: order.destination,
            lease: order.lease,
            jitter: order.jitter.clone(),
        },
        sorter: Sorter {
            order,
            budget: Budget::new(order.max, order.rate, Instant::now()),
            held: Held::default(),
            under_way: UnderWay::default(),
            tally: Mutex::default(),
        },
        begun: Instant::now(),
        stop: stop.child_token(),
        see,
    };
    let end = run.replay().await;
    let hidden = release(order.source, run.sorter.held.take(), &order.jitter).await;
    let tally = run
        .sorter
        .tally
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Report {
        end,
        sent: tally.sent,
        copies: tally.copies,
        finished: tally.finished,
        kept: tally.kept,
        passed_over: tally.passed_over,
        hidden,
    }
}

/// One run of a replay.
struct Run<'a> {
    order: &'a Order<'a>,
    courier: Courier<'a>,
    sorter: Sorter<'a>,
    begun: Instant,
    /// Cancelled by who asked for the replay, and by the first trouble.
    stop: CancellationToken,
    see: &'a (dyn Fn(Step) + Send + Sync),
}

impl Run<'_> {
    async fn replay(&self) -> End {
        // One lane keeps the order within the groups.
        let is_fifo = self.order.source.is_fifo() || self.order.destination.is_fifo();
        let (lanes_max, fruitless_max) = match is_fifo {
            true => (1, FRUITLESS_FIFO),
            false => (LANES, LANES),
        };
        let mut lanes = FuturesUnordered::new();
        let (mut fruitless, mut trouble, mut is_complete) = (0, None, false);
        let mut last_new = self.begun;
        loop {
            if trouble.is_some() {
                self.stop.cancel();
            }
            let is_over = self.stop.is_cancelled() || is_complete;
            while !is_over && !self.sorter.budget.is_spent() && lanes.len() < lanes_max {
                lanes.push(self.round());
            }
            let Some(brought) = lanes.next().await else {
                break;
            };
            match brought {
                Ok(true) => (fruitless, last_new) = (0, Instant::now()),
                Ok(false) => fruitless += 1,
                Err(error) => trouble = trouble.or(Some(error)),
            }
            if fruitless >= fruitless_max && !is_complete && trouble.is_none() {
                match self.is_complete(last_new).await {
                    Ok(true) => is_complete = true,
                    Ok(false) => fruitless = 0,
                    Err(error) => trouble = Some(error),
                }
            }
        }
        match trouble {
            Some(trouble) => End::Trouble(trouble),
            None if is_complete => End::Complete,
            None if self.sorter.budget.is_spent() => End::Limit,
            None => End::Stopped,
        }
    }

    /// Receives once, and does what follows; tells whether it brought anything new.
    async fn round(&self) -> Result<bool, ReplayTrouble> {
        let order = self.order;
        let allowed = self.sorter.budget.ask(&self.stop).await;
        if allowed == 0 {
            return Ok(true);
        }
        let received_at = Instant::now();
        let received = receive_patiently(order.source, allowed, &order.jitter, &self.stop).await;
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                self.sorter.budget.pay(allowed, 0);
                return Err(ReplayTrouble::Source(error));
            }
        };
        failpoint::reach("replay.received");
        if self.stop.is_cancelled() {
            self.sorter.budget.pay(allowed, 0);
            let receipts = messages.into_iter().map(|one| one.receipt).collect();
            self.put_aside(Vec::new(), receipts).await;
            return Ok(true);
        }
        let sorted = self.sorter.sort(&messages);
        drop(messages);
        let has_new = sorted.has_new;
        self.put_aside(sorted.aside, sorted.copies).await;
        let (fates, ended) = match sorted.parcels.is_empty() {
            true => (Vec::new(), Ok(())),
            false => self.courier.carry(sorted.parcels, received_at).await,
        };
        let settled = self.sorter.settle(fates, sorted.claims);
        self.sorter.budget.pay(allowed, settled.sent);
        if settled.through > 0 {
            (self.see)(Step::Replayed(settled.through));
        }
        ended?;
        match self.sorter.held.count() {
            count if count >= HELD_MAX => Err(ReplayTrouble::TooManyHeld(count)),
            _ => Ok(has_new),
        }
    }

    /// Hides what is not meant for longer, and gives back what is to come again soon.
    async fn put_aside(&self, aside: Vec<Receipt>, soon: Vec<Receipt>) {
        let order = self.order;
        if !aside.is_empty() && order.aside > order.lease {
            let changes: Vec<_> = aside.into_iter().map(|one| (one, order.aside)).collect();
            // Where it fails they come sooner, and are known then.
            let _ = order.source.change_visibility(&changes).await;
        }
        if !soon.is_empty() {
            release(order.source, soon, &order.jitter).await;
        }
    }

    /// Tells whether there is nothing left that somebody may hide at this moment; then what was
    /// sent once and not met is gone.
    async fn is_complete(&self, last_new: Instant) -> Result<bool, ReplayTrouble> {
        let Order {
            id,
            lease,
            source,
            journal: store,
            jitter,
            ..
        } = self.order;
        let hidden = journal(jitter, || {
            store.messages_hidden_for(*id, source.name(), *lease, self.begun.elapsed())
        });
        let (planned, unplanned) = hidden.await?;
        let unknown = self.order.patience.saturating_sub(self.begun.elapsed());
        let looked_at = match self.sorter.met() < self.order.expected {
            true => lease.saturating_sub(last_new.elapsed()),
            false => Duration::ZERO,
        };
        let mut time = planned;
        let guess = unplanned.max(looked_at).max(unknown);
        if guess > time && self.has_more_elsewhere().await? {
            time = guess;
        }
        if time > Duration::ZERO {
            (self.see)(Step::Waiting(time));
            return Ok(false);
        }
        let undeleted = journal(jitter, || store.entries_undeleted(source.name(), *lease)).await?;
        let gone = undeleted.into_iter().filter(|id| !self.sorter.held.has(id));
        let gone: Vec<String> = gone.collect();
        journal(jitter, || store.mark_entries_deleted(source.name(), &gone)).await?;
        Ok(true)
    }

    /// Tells whether the queue seems to hold messages that were not met.
    ///
    /// What SQS counts is not exact: it only prolongs the wait, by a lease at most.
    async fn has_more_elsewhere(&self) -> Result<bool, ReplayTrouble> {
        let counts = self.order.source.attributes().await;
        let counts = counts.map_err(ReplayTrouble::Source)?;
        Ok(counts.visible + counts.in_flight > self.sorter.held.count() as u64)
    }
}
