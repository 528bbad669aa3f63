//! One delivery from decode to outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use super::context::Context;
use super::delivery::Delivery;
use super::dispatch::{Lane, Lanes};
use super::error::{DATABASE, HandlerError};
use super::outcome::Outcome;
use super::report;
use super::router::{Single, Stop};
use super::settle::Seen;
use super::station::Station;
use crate::message::RawEnvelope;
use crate::store::Transaction;

/// How long a commit may take before its outcome counts as unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is known before the handler runs: go on, or an outcome already.
pub(super) enum Prepared {
    Ready,
    Ended(Outcome),
}

/// Finds the handler of one message, runs it, and settles the message.
///
/// # Cancellation
///
/// It is never cancelled: the shutdown's token ends the handler inside it, and
/// the settlement always runs.
pub(super) async fn execute(station: Arc<Station>, lanes: Arc<Lanes>, delivery: Delivery) {
    let mut seen = Seen::new();
    let outcome = match RawEnvelope::open(&delivery.message, &station.limits.queue) {
        Err(error) => Outcome::Undecodable(error),
        Ok(event) => match lanes.get(event.event_type.as_ref()) {
            Some(Lane::One(handler)) => {
                station
                    .attempt(Some(handler.as_ref()), &event, &delivery, &mut seen)
                    .await
            }
            Some(Lane::Batch(committer)) => {
                drop(event);
                // The committer lives until the last sender is gone; what it
                // could not take comes back when its lease runs out.
                let _ = committer.send(delivery).await;
                return;
            }
            None => station.attempt(None, &event, &delivery, &mut seen).await,
        },
    };
    station.settle(delivery, seen, outcome).await;
}

impl Station {
    async fn attempt(
        &self,
        handler: Option<&dyn Single>,
        event: &RawEnvelope<'_>,
        delivery: &Delivery,
        seen: &mut Seen,
    ) -> Outcome {
        let looks = handler.is_none_or(Single::has_outside_effect);
        if let Prepared::Ended(outcome) = self.prepare(event, delivery, seen, looks).await {
            return outcome;
        }
        let Some(handler) = handler else {
            return Outcome::UnknownType {
                since: seen.unknown_since,
            };
        };
        let span = report::span(&delivery.message, seen);
        let deadline = Instant::now() + self.limits.handler_timeout;
        let mut cx = Context::new(
            self.store.as_ref(),
            self.limits.consumer,
            &event.key,
            seen.charged + 1,
            deadline,
        );
        let running = AssertUnwindSafe(handler.run(event, &mut cx)).catch_unwind();
        let ended = tokio::select! {
            biased;
            () = delivery.lease.lost() => return Outcome::LeaseLost,
            ended = timeout_at(deadline, running).instrument(span) => ended,
            () = self.stop_working.cancelled() => return Outcome::Interrupted,
        };
        match ended {
            Err(_) => Outcome::TimedOut,
            Ok(Err(_)) => Outcome::Panicked,
            Ok(Ok(Err(Stop::Undecodable(error)))) => Outcome::Undecodable(error),
            Ok(Ok(Err(Stop::Handler(error)))) => failed(error),
            Ok(Ok(Ok(_done))) => match cx.into_transaction() {
                Some(transaction) => commit(transaction).await,
                None => Outcome::Processed,
            },
        }
    }

    /// Learns what a message is, whether it is done already, and what it was charged before.
    pub(super) async fn prepare(
        &self,
        event: &RawEnvelope<'_>,
        delivery: &Delivery,
        seen: &mut Seen,
        looks: bool,
    ) -> Prepared {
        seen.key = Some(event.key.clone());
        seen.event_type = Some(event.event_type.clone().into_owned());
        seen.trace_parent.clone_from(&event.trace_parent);
        let waited = Timestamp::now().duration_since(delivery.message.sent_at);
        self.metrics
            .started_after(waited.try_into().unwrap_or_default());
        if delivery.lease.confirm().await.is_err() {
            return Prepared::Ended(Outcome::LeaseLost);
        }
        if !looks && delivery.message.receive_count <= 1 {
            return Prepared::Ready;
        }
        let message_id = &delivery.message.id.0;
        match self
            .store
            .history(self.limits.consumer, message_id, &event.key)
            .await
        {
            Ok(history) if history.processed => Prepared::Ended(Outcome::Duplicate),
            Ok(history) => {
                seen.charged = history.charged;
                seen.unknown_since = history.unknown_since;
                Prepared::Ready
            }
            Err(error) => Prepared::Ended(failed(error.into())),
        }
    }
}

/// Turns a handler's error into an outcome and logs its cause, once.
pub(super) fn failed(error: HandlerError) -> Outcome {
    if std::error::Error::source(&error).is_some() {
        tracing::warn!(error = &error as &dyn std::error::Error, "handler failed");
    }
    error.into()
}

/// Commits; only a confirmed commit counts as done.
pub(super) async fn commit(transaction: Box<dyn Transaction>) -> Outcome {
    match timeout(COMMIT_TIMEOUT, transaction.commit()).await {
        Ok(Ok(())) => Outcome::Processed,
        Ok(Err(error)) => failed(error.into()),
        Err(_) => Outcome::Unavailable {
            dependency: Some(DATABASE.into()),
        },
    }
}
