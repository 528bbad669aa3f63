//! Carries out what was decided for one message.

use std::borrow::Cow;

use jiff::Timestamp;
use tokio::time::Instant;

use super::acknowledger::{Ack, Action};
use super::delivery::Delivery;
use super::error::DATABASE;
use super::lease::EndedLease;
use super::outcome::Outcome;
use super::report;
use super::settlement::{self, Facts, Settlement};
use super::station::Station;
use crate::dead_letter;
use crate::message::{EventKey, Failure, FailureClass, Message, MessageId};
use crate::queue::{EntryError, QueueError};
use crate::store::{Attempt, AttemptOutcome, DeadLetter};

/// How long a message waits whose dead-letter copy could not be sent.
const DEAD_LETTER_RETRY: std::time::Duration = std::time::Duration::from_secs(30);

/// What was learnt about a message while it was worked on.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) started: Instant,
    pub(super) key: Option<EventKey>,
    pub(super) event_type: Option<String>,
    pub(super) trace_parent: Option<String>,
    pub(super) charged: u32,
    pub(super) unknown_since: Option<Timestamp>,
}

/// Why a message that should be dead-lettered is not.
#[derive(Debug, thiserror::Error)]
enum BurialError {
    #[error("the dead-letter queue cannot take the copy")]
    Queue(#[from] QueueError),
    #[error("the dead-letter queue refused the copy")]
    Refused(#[from] EntryError),
    #[error("the copy has no room for its failure, and the failure could not be written down")]
    Unrecorded(#[source] crate::store::StoreError),
    #[error("the dead-letter queue gave no answer for the copy")]
    NoAnswer,
}

impl Seen {
    /// Starts with what the message itself shows.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            key: None,
            event_type: None,
            trace_parent: None,
            charged: 0,
            unknown_since: None,
        }
    }
}

impl Station {
    /// Settles one delivery by its outcome; its permit comes back when its acknowledgement is queued.
    ///
    /// # Cancellation
    ///
    /// It is never cancelled: the shutdown waits for it.
    pub(super) async fn settle(&self, delivery: Delivery, seen: Seen, outcome: Outcome) {
        let Delivery {
            message,
            lease,
            permit,
        } = delivery;
        let (outcome, lease) = match lease.end().await {
            Ok(lease) => (outcome, Some(lease)),
            // Work that is committed stays done, whoever holds the message now.
            Err(_) if outcome.is_done() => (outcome, None),
            Err(_) => (Outcome::LeaseLost, None),
        };
        let facts = Facts {
            charged: seen.charged,
            attempts_max: self.limits.attempts_max,
            unknown_type_grace: self.limits.unknown_type_grace,
            now: Timestamp::now(),
        };
        self.tell_breaker(&outcome);
        let decided = settlement::decide(&outcome, &facts, &self.jitter);
        let settlement = match lease {
            Some(lease) => {
                self.carry_out(&message, &seen, &outcome, decided, lease)
                    .await
            }
            None => Settlement::Abandon,
        };
        self.progress.settled(outcome == Outcome::Duplicate);
        report::finished(self, &message, &seen, &outcome, &settlement);
        self.metrics.inflight.decrement(1.0);
        drop(permit);
    }

    /// Carries a settlement out and returns what it came to.
    async fn carry_out(
        &self,
        message: &Message,
        seen: &Seen,
        outcome: &Outcome,
        decided: Settlement,
        lease: EndedLease,
    ) -> Settlement {
        let settlement = match decided {
            Settlement::DeadLetter {
                class,
                reason,
                detail,
            } => self.dead_letter(message, seen, class, reason, detail).await,
            Settlement::Retry { after } => match self.record(message, seen, outcome).await {
                Ok(()) => Settlement::Retry { after },
                // What is not in the ledger is not charged.
                Err(_) => Settlement::Release { after },
            },
            Settlement::Release { after } => {
                // Nobody is charged, so a missing row costs nothing.
                let _ = self.record(message, seen, outcome).await;
                Settlement::Release { after }
            }
            settlement => settlement,
        };
        let action = match &settlement {
            Settlement::Delete | Settlement::DeadLetter { .. } => Action::Delete,
            Settlement::Retry { after } | Settlement::Release { after } => Action::Show(*after),
            Settlement::Abandon => return settlement,
        };
        if let Settlement::Retry { after } = settlement {
            self.progress.retry_in(after);
        }
        let ack = Ack {
            receipt: lease.receipt,
            action,
            until: lease.deadline,
        };
        if self.acks.send(ack).await.is_err() {
            tracing::error!("the acknowledger ended before the work did");
        }
        settlement
    }

    /// Copies, confirms, and only then lets the message be deleted.
    async fn dead_letter(
        &self,
        message: &Message,
        seen: &Seen,
        class: FailureClass,
        reason: String,
        detail: Option<String>,
    ) -> Settlement {
        let before = message.failure.as_deref();
        let failure = Failure {
            class,
            reason: reason.clone(),
            detail: detail.clone(),
            consumer: self.limits.consumer.to_owned(),
            queue: self.limits.queue.clone(),
            event_type: seen.event_type.clone(),
            key: seen
                .key
                .clone()
                .or_else(|| before.map(|failure| failure.key.clone()))
                .unwrap_or_else(|| EventKey::new(&self.limits.queue, &message.id.0)),
            message_id: message.id.0.clone(),
            attempts: seen.charged + u32::from(class != FailureClass::UnknownType),
            receives: message.receive_count,
            first_sent_at: before.map_or(message.sent_at, |failure| failure.first_sent_at),
            failed_at: Timestamp::now(),
            displaced: Vec::new(),
        };
        match self.bury(message, failure).await {
            Ok(()) => {
                self.metrics.dead_lettered.increment(class.as_str());
                Settlement::DeadLetter {
                    class,
                    reason,
                    detail,
                }
            }
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

    async fn bury(&self, message: &Message, failure: Failure) -> Result<(), BurialError> {
        let copy = dead_letter::copy(message, &failure, self.dead_letters.is_fifo());
        let mut entries = self
            .dead_letters
            .send(std::slice::from_ref(&copy.message))
            .await?;
        let copy_id = entries.pop().ok_or(BurialError::NoAnswer)??;
        let row = DeadLetter {
            copy_id,
            queue: self.dead_letters.name().to_owned(),
            failure,
        };
        match self.store.record_dead_letters(&[row]).await {
            Ok(()) => Ok(()),
            Err(error) if copy.carries_failure => {
                tracing::warn!(
                    message.id = %message.id,
                    error = &error as &dyn std::error::Error,
                    "a dead letter was not written down, its copy says why it is dead"
                );
                Ok(())
            }
            Err(error) => Err(BurialError::Unrecorded(error)),
        }
    }

    /// Writes a receive that did not end well into the attempts ledger.
    async fn record(
        &self,
        message: &Message,
        seen: &Seen,
        outcome: &Outcome,
    ) -> Result<(), crate::store::StoreError> {
        let Some((kind, reason)) = ledger_entry(outcome) else {
            return Ok(());
        };
        let attempt = Attempt {
            consumer: self.limits.consumer.to_owned(),
            message_id: MessageId(message.id.0.clone()),
            receive: message.receive_count,
            key: seen.key.clone(),
            outcome: kind,
            reason: reason.into_owned(),
            at: Timestamp::now(),
        };
        let recorded = self.store.record_attempts(&[attempt]).await;
        if let Err(error) = &recorded {
            tracing::warn!(
                message.id = %message.id,
                error = error as &dyn std::error::Error,
                "an attempt was not written down and is not charged"
            );
        }
        recorded
    }

    fn tell_breaker(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Unavailable {
                dependency: Some(dependency),
            } => self.breaker.trip(dependency.clone()),
            Outcome::Processed | Outcome::Rejected { .. } | Outcome::Failed { .. } => {
                self.breaker.succeed();
            }
            _ => {}
        }
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
