//! One delivery from decode to outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::commit::commit;
use super::context::Context;
use super::delivery::Delivery;
use super::error::HandlerError;
use super::lane::{Lane, Lanes, Single, Stop};
use super::lease::Lease;
use super::outcome::{CONTENDED, Ending, Outcome};
use super::report;
use super::seen::Seen;
use super::station::Station;
use super::waiting::KEEP_MARGIN;
use crate::message::{EventKey, Message, RawEnvelope};
use crate::service::failpoint;
use crate::store::{AttemptOutcome, History, StoreError};

/// Finds the handler of one message, runs it, and settles the message.
///
/// # Cancellation
///
/// It is never cancelled: the shutdown's token ends the handler inside it, and
/// the settlement always runs.
pub(super) async fn execute(station: Arc<Station>, lanes: Arc<Lanes>, mut delivery: Delivery) {
    let mut seen = Seen::new();
    let message = Arc::clone(&delivery.message);
    let opened = RawEnvelope::open(&message, &station.limits.queue);
    seen.follow(&station.limits.queue, &delivery, opened.as_ref().ok());
    let event = match opened {
        Ok(event) => event,
        Err(error) => {
            let ending = Outcome::Undecodable(error).into();
            return station.settle(delivery, seen, ending).await;
        }
    };
    failpoint::reach("consume.opened");
    if let Err(ending) = station.let_in(&mut delivery).await {
        seen.learn(event, None);
        return station.settle(delivery, seen, ending).await;
    }
    let lane = lanes.get_key_value(event.event_type.as_ref());
    let handler = match lane {
        Some((_, Lane::Batch(committer))) => return committer.admit(event, delivery, seen).await,
        Some((event_type, Lane::One(handler))) => Some((*event_type, handler.as_ref())),
        None => None,
    };
    let attempt = Attempt {
        station: &station,
        message: &message,
        event: &event,
        delivery: &mut delivery,
        seen: &mut seen,
    };
    // The handler's panic is caught, and so is that of a value it leaves behind.
    let ending = AssertUnwindSafe(attempt.run(handler)).catch_unwind().await;
    seen.learn(event, handler.map(|(event_type, _)| event_type));
    let ending = ending.unwrap_or_else(|_panic| Outcome::Panicked.into());
    station.settle(delivery, seen, ending).await;
}

/// The work on one message, up to its outcome.
struct Attempt<'a> {
    station: &'a Station,
    message: &'a Message,
    event: &'a RawEnvelope<'a>,
    delivery: &'a mut Delivery,
    seen: &'a mut Seen,
}

impl Attempt<'_> {
    async fn run(mut self, handler: Option<(&'static str, &dyn Single)>) -> Ending {
        if self.station.stop_working.is_cancelled() {
            return Outcome::Interrupted.into();
        }
        let looks = handler.is_none_or(|(_, handler)| handler.has_outside_effect());
        if let Err(ending) = self.prepare(looks).await {
            return ending;
        }
        let Some((event_type, handler)) = handler else {
            let since = self.seen.history.unknown_since;
            return Outcome::UnknownType { since }.into();
        };
        let (key, lease) = (&self.event.key, &self.delivery.lease);
        let admitted = self.station.admit(key, self.message, lease, self.seen);
        if let Err(ending) = admitted.await {
            return ending;
        }
        loop {
            let mut ending = self.handle(handler).await;
            let (station, delivery) = (self.station, &mut *self.delivery);
            if !station.keeps(delivery, self.seen, event_type, &mut ending) {
                return ending;
            }
            if let Err(ending) = station.pause(delivery).await {
                return ending;
            }
            // Another message may have brought the same event meanwhile.
            if looks && let Err(ending) = self.prepare(looks).await {
                return ending;
            }
        }
    }

    async fn prepare(&mut self, looks: bool) -> Result<(), Ending> {
        let prepared = self
            .station
            .prepare(self.event, self.message, looks, self.seen);
        prepared.await
    }

    /// Runs the handler once.
    async fn handle(&mut self, handler: &dyn Single) -> Ending {
        let Self {
            station,
            message,
            event,
            delivery: Delivery { lease, .. },
            seen,
        } = self;
        // Last, however long it took to learn about the message.
        if let Err(ending) = station.confirm(lease).await {
            return ending;
        }
        seen.started = Instant::now();
        let deadline = seen.started + station.limits.handler_timeout;
        lease.keep_until(deadline + KEEP_MARGIN);
        let mut cx = Context::new(
            station.store.as_ref(),
            station.limits.consumer,
            &event.key,
            seen.attempt(station.limits.attempts_max),
            deadline,
        )
        .traced(seen.trace.as_ref());
        let running = timeout_at(deadline, handler.run(event, &mut cx))
            .instrument(report::span(message, event, seen));
        // The handler first: what is done is done, and the settlement learns who owns the message.
        let ended = tokio::select! {
            biased;
            ended = running => ended,
            () = lease.lost() => return Outcome::LeaseLost.into(),
            () = station.stop_working.cancelled() => return Outcome::Interrupted.into(),
        };
        match ended {
            Err(_) => {
                // Gives its connection back.
                drop(cx);
                let stop = &station.stop_working;
                let judged = station.breaker.judge_timeout(seen.started, stop).await;
                judged.into()
            }
            Ok(Err(Stop::Undecodable(error))) => Outcome::Undecodable(error).into(),
            Ok(Err(Stop::Handler(error))) => error.into(),
            Ok(Ok(_done)) => match cx.into_transaction() {
                Some(transaction) => commit(transaction).await,
                None => Outcome::Processed.into(),
            },
        }
    }
}

impl Station {
    /// Learns whether a message is done already and what it was charged.
    ///
    /// # Errors
    ///
    /// The message has an ending without its handler.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by it; it is bounded by the store's limits.
    pub(super) async fn prepare(
        &self,
        event: &RawEnvelope<'_>,
        message: &Message,
        looks: bool,
        seen: &mut Seen,
    ) -> Result<(), Ending> {
        let age = self.clock.now().duration_since(message.sent_at);
        self.metrics
            .started_after(age.try_into().unwrap_or_default());
        let looks = looks || message.receive_count > 1;
        let work = async {
            if !looks {
                return Ok(History::default());
            }
            // What was held back belongs to what is known.
            let _ = self.ledger.write_held().await;
            let consumer = self.limits.consumer;
            let (id, receive) = (&message.id.0, message.receive_count);
            let history = self.store.history(consumer, id, receive, &event.key);
            let history = history.await.map_err(runtime_error);
            failpoint::reach("consume.looked_up");
            history
        };
        seen.history = self.unless_stopped(work).await?;
        match seen.history.processed {
            true => Err(Outcome::Duplicate.into()),
            false => Ok(()),
        }
    }

    /// Lets a handler run, but for a message that has used up its attempts.
    ///
    /// A suspect first writes down that it starts. If its process does not
    /// survive the handler, that row is left, and is charged. Once that has
    /// happened it runs only when no other such message does.
    ///
    /// # Errors
    ///
    /// The message has an ending without its handler.
    ///
    /// # Cancellation
    ///
    /// As of [`Self::prepare`].
    pub(super) async fn admit(
        &self,
        key: &EventKey,
        message: &Message,
        lease: &Lease,
        seen: &mut Seen,
    ) -> Result<(), Ending> {
        if self.limits.give_up_on(&seen.history) {
            return Err(Ending::used_up());
        }
        if !seen.is_suspect(message) {
            return Ok(());
        }
        let work = async {
            let turn = match seen.history.crashes {
                0 => None,
                _ => Some(self.suspects.turn().await.ok_or(CONTENDED)?),
            };
            lease.confirm().await.map_err(|_lost| Outcome::LeaseLost)?;
            let started = AttemptOutcome::Started;
            let row = self.attempt(message, Some(key), started, "handler started");
            // Before the answer, which may get lost when the row does not.
            seen.started_on_record = true;
            let written = self.store.record_attempts(&[row]).await;
            written.map_err(runtime_error)?;
            failpoint::reach("consume.started");
            Ok(turn)
        };
        seen.turn = self.unless_stopped(work).await?;
        if seen.turn.is_some() {
            self.metrics.poison_suspected.increment(1);
            tracing::warn!(
                message.id = %message.id,
                event.id = key.id,
                trace_id = seen.trace_id(),
                crashes = seen.history.crashes,
                "a process ended while this message was worked on, it runs alone"
            );
        }
        Ok(())
    }

    /// Makes sure that a message is ours, for half a lease at least, before its handler starts.
    ///
    /// # Errors
    ///
    /// The message has an ending without its handler.
    ///
    /// # Cancellation
    ///
    /// An extension that it asked for goes on.
    pub(super) async fn confirm(&self, lease: &Lease) -> Result<(), Ending> {
        let confirmed = async {
            let confirmed = lease.confirm().await;
            confirmed.map_err(|_lost| Outcome::LeaseLost.into())
        };
        self.unless_stopped(confirmed).await
    }

    async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Ending>>,
    ) -> Result<T, Ending> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.stop_working.cancelled() => Err(Outcome::Interrupted.into()),
        }
    }
}

fn runtime_error(error: StoreError) -> Ending {
    HandlerError::of_runtime(error).into()
}
