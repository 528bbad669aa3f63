//! Copies a message to its dead-letter queue: copy, confirm, and only then let it be deleted.

use super::seen::Seen;
use super::station::Station;
use crate::dead_letter;
use crate::message::{EventKey, Failure, FailureClass, Message};
use crate::queue::{EntryError, QueueError};
use crate::store::{DeadLetter, StoreError};

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

impl Station {
    /// Says of a message why and when it died.
    pub(super) fn failure(
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
            FailureClass::Permanent | FailureClass::AttemptsExhausted => {
                seen.attempt(self.limits.attempts_max)
            }
            // No handler ran.
            FailureClass::Undecodable | FailureClass::UnknownType => seen.charged,
        };
        Failure {
            class,
            reason: reason.to_owned(),
            detail: detail.map(str::to_owned),
            consumer: self.limits.consumer.to_owned(),
            queue: self.limits.queue.clone(),
            event_type: seen.event_type.as_deref().map(str::to_owned),
            key: key
                .cloned()
                .unwrap_or_else(|| EventKey::new(&self.limits.queue, &message.id.0)),
            message_id: message.id.0.clone(),
            attempts,
            receives: message.receive_count,
            first_sent_at: before.map_or(message.sent_at, |failure| failure.first_sent_at),
            failed_at: self.clock.now(),
            replays: before.map_or(0, |failure| failure.replays),
            history: Vec::new(),
            displaced: Vec::new(),
        }
    }

    /// Sends the copy, waits for its confirmation, and writes it down.
    ///
    /// # Errors
    ///
    /// The message must not be deleted, because nothing else says that it existed, or why it died.
    pub(super) async fn bury(
        &self,
        message: &Message,
        failure: Failure,
    ) -> Result<(), BurialError> {
        let copy = dead_letter::copy(message, &failure, self.dead_letters.is_fifo());
        let mut entries = self
            .dead_letters
            .send(std::slice::from_ref(&copy.message))
            .await?;
        let copy_id = entries.pop().ok_or(BurialError::NoAnswer)??;
        self.metrics.dead_lettered.increment(failure.class.as_str());
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
}
