//! Carries out what was decided for one message.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::timeout;

use super::acknowledger::{Ack, Action};
use super::delivery::Delivery;
use super::error::DATABASE;
use super::lease::EndedLease;
use super::outcome::{Ending, Outcome};
use super::report;
use super::seen::Seen;
use super::settlement::{self, Facts, Settlement};
use super::station::Station;
use crate::message::Message;
use crate::store::{Attempt, AttemptOutcome, StoreErrorClass};

/// How long a message waits whose dead-letter copy could not be sent.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(30);

/// How long the ledger may keep a release waiting, which charges nobody: at a
/// shutdown there is little time.
const RELEASE_RECORD_MAX: Duration = Duration::from_secs(1);

/// The charge of an attempt did not get into the ledger.
struct Uncharged;

impl Station {
    /// Settles one delivery by its outcome; its permit comes back when its acknowledgement is queued.
    ///
    /// # Cancellation
    ///
    /// It is never cancelled: the shutdown waits for it.
    pub(super) async fn settle(&self, delivery: Delivery, seen: Seen, mut ending: Ending) {
        let Delivery {
            message,
            lease,
            received,
            place,
        } = delivery;
        let lease = lease.end().await.ok();
        // Work that is committed stays done, whoever holds the message now.
        if lease.is_none() && !ending.outcome.is_done() {
            ending.outcome = Outcome::LeaseLost;
        }
        self.breaker.learn(&ending.outcome);
        let facts = Facts {
            charged: seen.charged,
            attempts_max: self.limits.attempts_max,
            receives: message.receive_count,
            held_for: received.elapsed(),
            unknown_type_grace: self.limits.unknown_type_grace,
            now: self.clock.now(),
        };
        let settlement = match lease {
            Some(lease) => {
                let decided = settlement::decide(&ending.outcome, &facts, &self.jitter);
                let settlement = self
                    .carry_out(&message, &seen, &ending.outcome, decided)
                    .await;
                self.acknowledge(lease, &settlement).await;
                settlement
            }
            None => Settlement::Abandon,
        };
        report::finished(self, &message, &seen, &ending, &settlement);
        drop(place);
    }

    /// Writes down and copies what has to be before the acknowledgement, and returns what it came to.
    async fn carry_out(
        &self,
        message: &Message,
        seen: &Seen,
        outcome: &Outcome,
        decided: Settlement,
    ) -> Settlement {
        match &decided {
            Settlement::Delete | Settlement::Abandon => decided,
            Settlement::Retry { after } => match self.record(message, seen, outcome).await {
                Ok(()) => decided,
                // What is not in the ledger is not charged.
                Err(Uncharged) => Settlement::Release { after: *after },
            },
            Settlement::Release { .. } => {
                // Nobody is charged, so a missing row costs nothing.
                let _ = timeout(RELEASE_RECORD_MAX, self.record(message, seen, outcome)).await;
                decided
            }
            Settlement::DeadLetter {
                class,
                reason,
                detail,
            } => {
                // If the copy fails, the next receive finds the attempts used up.
                let _ = self.record(message, seen, outcome).await;
                let failure = self.failure(message, seen, *class, reason, detail.as_deref());
                match self.bury(message, failure).await {
                    Ok(()) => decided,
                    Err(error) => {
                        tracing::error!(
                            message.id = %message.id,
                            queue = self.dead_letters.name(),
                            error = &error as &dyn std::error::Error,
                            "message was not dead-lettered, it comes back"
                        );
                        Settlement::Release {
                            after: DEAD_LETTER_RETRY,
                        }
                    }
                }
            }
        }
    }

    async fn acknowledge(&self, lease: EndedLease, settlement: &Settlement) {
        let action = match settlement {
            Settlement::Delete | Settlement::DeadLetter { .. } => Action::Delete,
            Settlement::Retry { after } | Settlement::Release { after } => {
                self.progress.comes_back_in(*after);
                Action::Show(*after)
            }
            Settlement::Abandon => return,
        };
        self.queue_ack(lease, action).await;
    }

    /// Makes a message visible again that nobody has worked on.
    pub(super) async fn give_back(&self, lease: EndedLease) {
        self.queue_ack(lease, Action::Show(Duration::ZERO)).await;
    }

    async fn queue_ack(&self, lease: EndedLease, action: Action) {
        let ack = Ack {
            receipt: lease.receipt,
            action,
            until: lease.deadline,
        };
        if self.acks.send(ack).await.is_err() {
            tracing::error!("the acknowledger ended before the work did");
        }
    }

    /// Writes a receive that did not end well into the attempts ledger.
    async fn record(
        &self,
        message: &Message,
        seen: &Seen,
        outcome: &Outcome,
    ) -> Result<(), Uncharged> {
        let Some((kind, reason)) = ledger_entry(outcome) else {
            return Ok(());
        };
        if seen.is_used_up(self.limits.attempts_max) && kind.is_charged() {
            return Ok(());
        }
        let attempt = Attempt {
            consumer: self.limits.consumer.to_owned(),
            message_id: message.id.clone(),
            receive: message.receive_count,
            receive_last: message.receive_count,
            key: seen.key.clone(),
            outcome: kind,
            reason: reason.into_owned(),
            at: self.clock.now(),
        };
        let recorded = self.store.record_attempts(&[attempt]).await;
        recorded.map_err(|error| {
            tracing::warn!(
                message.id = %message.id,
                error = &error as &dyn std::error::Error,
                "an attempt was not written down and is not charged"
            );
            if error.class == StoreErrorClass::Unavailable {
                self.breaker.trip(DATABASE.into());
            }
            Uncharged
        })
    }
}

/// Says which row an outcome leaves in the ledger, if any.
fn ledger_entry(outcome: &Outcome) -> Option<(AttemptOutcome, Cow<'_, str>)> {
    Some(match outcome {
        Outcome::Failed { reason, .. } => (AttemptOutcome::Failed, Cow::Borrowed(reason.as_ref())),
        Outcome::TimedOut => (AttemptOutcome::TimedOut, "handler timed out".into()),
        Outcome::Panicked => (AttemptOutcome::Panicked, "handler panicked".into()),
        Outcome::UnknownType { .. } => (
            AttemptOutcome::UnknownType,
            "no handler for the type".into(),
        ),
        Outcome::Interrupted => (AttemptOutcome::Released, "shutdown".into()),
        // The database cannot write down that it is down.
        Outcome::Unavailable {
            dependency: Some(name),
        } if name == DATABASE => return None,
        Outcome::Unavailable {
            dependency: Some(name),
        } => (
            AttemptOutcome::Unavailable,
            format!("{name} is unavailable").into(),
        ),
        Outcome::Unavailable { dependency: None } => {
            (AttemptOutcome::Unavailable, "contention".into())
        }
        Outcome::Processed
        | Outcome::Duplicate
        | Outcome::Rejected { .. }
        | Outcome::Undecodable(_)
        | Outcome::LeaseLost => return None,
    })
}
