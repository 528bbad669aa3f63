//! Copies a message to its dead-letter queue: copy, confirm, and only then let it be deleted.

use std::time::Duration;

use tokio::time::timeout;

use super::seen::Seen;
use super::station::Station;
use crate::dead_letter;
use crate::message::{EventKey, Failure, FailureClass, Message, MessageId, Outgoing, PastAttempt};
use crate::queue::{EntryError, QueueError};
use crate::service::failpoint;
use crate::service::traces::Span;
use crate::store::{Attempt, DeadLetter, StoreError};

/// How many attempts a dead letter remembers, the latest ones: their 3 KB leave room in a message.
const HISTORY_MAX: usize = 20;

/// How many characters of a reason it remembers.
const REASON_CHARS_MAX: usize = 120;

/// How long a dead letter waits for its history.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);

/// Why a message that should be dead-lettered is not.
#[derive(Debug, thiserror::Error)]
pub(super) enum BurialError {
    #[error("the dead-letter queue cannot take the copy")]
    Queue(#[from] QueueError),
    #[error("the dead-letter queue refused the copy")]
    Refused(#[from] EntryError),
    #[error("the copy has no room for its failure, and the failure could not be written down")]
    Unrecorded(#[source] StoreError),
    #[error("the dead-letter queue gave no answer for the copy")]
    NoAnswer,
}

impl BurialError {
    fn class(&self) -> String {
        match self {
            Self::Queue(error) => error.kind.as_str().to_owned(),
            Self::Refused(entry) => entry.code.clone(),
            Self::Unrecorded(_) => "unrecorded".to_owned(),
            Self::NoAnswer => "no_answer".to_owned(),
        }
    }
}

impl Station {
    /// Says of a message why and when it died.
    pub(super) async fn failure(
        &self,
        message: &Message,
        seen: &Seen,
        class: FailureClass,
        reason: &str,
        detail: Option<&str>,
    ) -> Failure {
        let before = message.failure.as_deref();
        let key = seen.key.as_ref().or(before.map(|failure| &failure.key));
        let attempts = match class {
            FailureClass::Permanent
            | FailureClass::AttemptsExhausted
            | FailureClass::CrashSuspect => seen.attempt(self.limits.attempts_max),
            // No handler ran.
            FailureClass::Undecodable
            | FailureClass::UnknownType
            | FailureClass::ReceivesExhausted => seen.history.charged,
        };
        Failure {
            class,
            reason: reason.to_owned(),
            detail: detail.map(str::to_owned),
            consumer: self.limits.consumer.to_owned(),
            queue: self.limits.queue.clone(),
            version: Some(self.limits.version.clone()),
            event_type: seen.event_type.as_deref().map(str::to_owned),
            key: key
                .cloned()
                .unwrap_or_else(|| EventKey::new(&self.limits.queue, &message.id.0)),
            message_id: message.id.0.clone(),
            attempts,
            receives: message.receive_count,
            first_sent_at: before.map_or(message.sent_at, |failure| failure.first_sent_at),
            failed_at: self.clock.now(),
            replay_no: before.map_or(0, |failure| failure.replay_no),
            edited: before.and_then(|failure| failure.edited.clone()),
            history: self.past(message, seen).await,
            displaced: Vec::new(),
        }
    }

    /// Reads what went wrong before: in earlier lives of the message, and in this one.
    async fn past(&self, message: &Message, seen: &Seen) -> Vec<PastAttempt> {
        let mut past = Vec::new();
        if let Some(death) = message.failure.as_deref() {
            past.clone_from(&death.history);
            past.push(death.as_past());
        }
        if message.receive_count > 1 {
            let (consumer, id) = (self.limits.consumer, &message.id.0);
            let rows = self.store.attempts(consumer, id, HISTORY_MAX);
            match timeout(HISTORY_PATIENCE, rows).await {
                Ok(Ok(rows)) => past.extend(
                    rows.iter()
                        .filter(|row| row.receive < message.receive_count)
                        .map(past_attempt),
                ),
                Ok(Err(_)) | Err(_) => tracing::warn!(
                    message.id = %message.id,
                    trace_id = seen.trace_id(),
                    "the attempts of a dead letter could not be read, its copy goes without"
                ),
            }
        }
        let surplus = past.len().saturating_sub(HISTORY_MAX);
        past.drain(..surplus);
        past
    }

    /// Sends the copy, waits for its confirmation, and writes it down.
    ///
    /// # Errors
    ///
    /// The message must not be deleted, because nothing else says that it existed, or why it died.
    pub(super) async fn bury(
        &self,
        message: &Message,
        seen: &Seen,
        failure: Failure,
    ) -> Result<(), BurialError> {
        let copy = dead_letter::copy(message, &failure, self.dead_letters.is_fifo());
        let copy_id = self.send_copy(&copy.message, seen).await?;
        failpoint::reach("settle.copy_sent");
        self.metrics.dead_lettered.increment(failure.class.as_str());
        let row = DeadLetter {
            copy_id,
            queue: self.dead_letters.name().to_owned(),
            failure,
        };
        let recorded = self.store.record_dead_letters(&[row]).await;
        failpoint::reach("settle.copy_recorded");
        match recorded {
            Ok(()) => Ok(()),
            Err(error) if copy.carries_failure => {
                tracing::warn!(
                    message.id = %message.id,
                    trace_id = seen.trace_id(),
                    error = &error as &dyn std::error::Error,
                    "a dead letter was not written down, its copy says why it is dead"
                );
                Ok(())
            }
            Err(error) => Err(BurialError::Unrecorded(error)),
        }
    }

    /// Sends the copy as it is: it stays in the trace of the producer.
    async fn send_copy(&self, copy: &Outgoing, seen: &Seen) -> Result<MessageId, BurialError> {
        let mut span = Span::send(self.dead_letters.name(), seen.trace.as_ref());
        let sent = match self.dead_letters.send(std::slice::from_ref(copy)).await {
            Ok(mut entries) => entries.pop().ok_or(BurialError::NoAnswer),
            Err(error) => Err(error.into()),
        };
        let sent = sent.and_then(|entry| Ok(entry?));
        match &sent {
            Ok(id) => span.message(&id.0),
            Err(error) => span.fail(error.class()),
        }
        sent
    }
}

fn past_attempt(row: &Attempt) -> PastAttempt {
    PastAttempt {
        receive: row.receive,
        outcome: row.outcome.as_str().to_owned(),
        reason: row.reason.chars().take(REASON_CHARS_MAX).collect(),
        at: row.at,
    }
}
