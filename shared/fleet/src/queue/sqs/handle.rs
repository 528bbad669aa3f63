use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, QueueAttributeName,
};
use tokio::time::Instant;

use super::attempts::{Attempt, Attempts};
use super::call::{finish, in_order, refused};
use super::convert::{incoming, outgoing, system_attributes};
use crate::message::{Message, MessageId, Outgoing, Receipt};
use crate::queue::{Entries, Queue, QueueAttributes, QueueError, name_of};
use crate::service::metrics::SqsMetrics;

/// One queue, seen through one client.
#[derive(Clone)]
pub struct SqsQueue {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) metrics: SqsMetrics,
    pub(super) attempts: Arc<Attempts>,
    pub(super) visibility: Option<Duration>,
    pub(super) is_verbatim: bool,
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        name_of(&self.url)
    }

    fn url(&self) -> &str {
        &self.url
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let now = Instant::now();
        let attempt = self
            .is_fifo()
            .then(|| self.attempts.begin(max, now, now + wait));
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_secs(wait))
            .set_visibility_timeout(self.visibility.map(whole_secs))
            .message_attribute_names("All")
            .set_receive_request_attempt_id(attempt.as_ref().map(|attempt| attempt.id().to_owned()))
            .set_message_system_attribute_names(Some(system_attributes()));
        let answer = finish(&self.metrics, "ReceiveMessage", call.send()).await;
        let answer = answer.map(|answer| answer.messages.unwrap_or_default());
        if let Some(attempt) = attempt {
            self.end_attempt(attempt, &answer);
        }
        let mut messages: Vec<_> = answer?.into_iter().map(incoming).collect();
        if !self.is_verbatim {
            messages.iter_mut().for_each(Message::unfold);
        }
        Ok(messages)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        let entries = messages
            .iter()
            .enumerate()
            .map(|(index, message)| outgoing(index, message))
            .collect::<Result<Vec<_>, _>>()?;
        let call = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = finish(&self.metrics, "SendMessageBatch", call.send()).await?;
        let sent = answer
            .successful
            .into_iter()
            .map(|entry| (entry.id, entry.message_id));
        Ok(in_order(messages.len(), sent, answer.failed, MessageId))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(index, receipt)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&receipt.0)
                    .build()
                    .map_err(|error| refused("DeleteMessageBatch", error))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = finish(&self.metrics, "DeleteMessageBatch", call.send()).await?;
        let deleted = answer.successful.into_iter().map(|entry| (entry.id, ()));
        Ok(in_order(receipts.len(), deleted, answer.failed, |()| ()))
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        let entries = changes
            .iter()
            .enumerate()
            .map(|(index, (receipt, visibility))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&receipt.0)
                    .visibility_timeout(whole_secs(*visibility))
                    .build()
                    .map_err(|error| refused("ChangeMessageVisibilityBatch", error))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let call = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        let answer = finish(&self.metrics, "ChangeMessageVisibilityBatch", call.send()).await?;
        let changed = answer.successful.into_iter().map(|entry| (entry.id, ()));
        Ok(in_order(changes.len(), changed, answer.failed, |()| ()))
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        let call = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::All);
        let answer = finish(&self.metrics, "GetQueueAttributes", call.send()).await?;
        let map: BTreeMap<String, String> = answer
            .attributes
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect();
        Ok(QueueAttributes::from_map(&map))
    }
}

impl SqsQueue {
    /// Returns a handle whose receives hide messages for this long (0 s to 12 h), whatever the
    /// queue says.
    #[must_use]
    pub fn hiding_for(mut self, visibility: Duration) -> Self {
        self.visibility = Some(visibility);
        self
    }

    /// Returns a handle whose receives leave the failure of a dead letter folded in its attributes,
    /// which are then, byte by byte, those that the queue holds.
    #[must_use]
    pub fn verbatim(mut self) -> Self {
        self.is_verbatim = true;
        self
    }

    fn end_attempt<M>(&self, attempt: Attempt, answer: &Result<Vec<M>, QueueError>) {
        match answer {
            Ok(messages) => self.attempts.answered(attempt, messages.is_empty()),
            Err(error) if error.kind.leaves_effect_unknown() => self.attempts.lost(attempt),
            // It was refused, so nothing was handed out; what it should have repeated is still lost.
            Err(_) => self.attempts.refused(attempt),
        }
    }
}

fn whole_secs(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
