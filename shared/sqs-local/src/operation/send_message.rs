//! `SendMessage` and `SendMessageBatch`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use super::batch::check_entries;
use super::{BatchOutcome, Operation};
use crate::account::Sqs;
use crate::error::{Error, ErrorKind};
use crate::limits::{MESSAGE_BYTES_MAX, Millis};
use crate::message::{
    Draft, Md5, MessageAttributeValue, MessageAttributes, MessageId, check_group_id,
};
use crate::object;
use crate::queue::{Queue, Sent};

/// Sends a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SendMessage {
    /// Which queue.
    pub queue_url: String,
    /// The body, one character at least.
    pub message_body: String,
    /// Seconds until it is visible, 0 to 900; `None` is what the queue says. Not on FIFO queues.
    pub delay_seconds: Option<i32>,
    /// Up to ten attributes.
    #[serde(deserialize_with = "object::map")]
    pub message_attributes: MessageAttributes,
    /// System attributes, of which `AWSTraceHeader` is the only one to send.
    #[serde(deserialize_with = "object::map")]
    pub message_system_attributes: BTreeMap<String, MessageAttributeValue>,
    /// What was sent with the same id in the last five minutes is not sent again. FIFO only.
    pub message_deduplication_id: Option<String>,
    /// The group, which keeps its order. Required on FIFO queues, a tenant on others.
    pub message_group_id: Option<String>,
}

/// Sends up to ten messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SendMessageBatch {
    /// Which queue.
    pub queue_url: String,
    /// The messages.
    #[serde(deserialize_with = "object::list")]
    pub entries: Vec<SendMessageBatchEntry>,
}

/// A message of a batch: an id and the message, whose queue is the batch's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SendMessageBatchEntry {
    /// The entry's id, which its result carries.
    pub id: String,
    /// As of [`SendMessage`].
    pub message_body: String,
    /// As of [`SendMessage`].
    pub delay_seconds: Option<i32>,
    /// As of [`SendMessage`].
    #[serde(deserialize_with = "object::map")]
    pub message_attributes: MessageAttributes,
    /// As of [`SendMessage`].
    #[serde(deserialize_with = "object::map")]
    pub message_system_attributes: BTreeMap<String, MessageAttributeValue>,
    /// As of [`SendMessage`].
    pub message_deduplication_id: Option<String>,
    /// As of [`SendMessage`].
    pub message_group_id: Option<String>,
}

/// What the service says of a message it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageOutput {
    /// The message's id.
    pub message_id: MessageId,
    /// The digest of the body.
    #[serde(rename = "MD5OfMessageBody")]
    pub md5_of_message_body: Md5,
    /// The digest of the attributes, if there are any.
    #[serde(
        rename = "MD5OfMessageAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub md5_of_message_attributes: Option<Md5>,
    /// The digest of the system attributes, if there are any.
    #[serde(
        rename = "MD5OfMessageSystemAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub md5_of_message_system_attributes: Option<Md5>,
    /// The place in the order of a FIFO queue.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<u128>,
}

/// What the service says of a message of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendMessageBatchSuccess {
    /// The entry's id.
    pub id: String,
    /// What it says of any message.
    #[serde(flatten)]
    pub message: SendMessageOutput,
}

impl From<Sent> for SendMessageOutput {
    fn from(sent: Sent) -> Self {
        Self {
            message_id: sent.id,
            md5_of_message_body: sent.body_md5,
            md5_of_message_attributes: sent.attributes_md5,
            md5_of_message_system_attributes: sent.system_md5,
            sequence_number: sent.sequence,
        }
    }
}

impl Operation for SendMessage {
    const NAME: &'static str = "SendMessage";
    type Output = SendMessageOutput;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<SendMessageOutput, Error> {
        let entry = SendMessageBatchEntry {
            id: String::new(),
            message_body: self.message_body,
            delay_seconds: self.delay_seconds,
            message_attributes: self.message_attributes,
            message_system_attributes: self.message_system_attributes,
            message_deduplication_id: self.message_deduplication_id,
            message_group_id: self.message_group_id,
        };
        // Digested before the queue is locked.
        let draft = entry.draft(sqs);
        sqs.on_queue(&self.queue_url, |queue, now| {
            Ok(send(sqs, queue, now, draft)?.into())
        })
    }
}

impl Operation for SendMessageBatch {
    const NAME: &'static str = "SendMessageBatch";
    type Output = BatchOutcome<SendMessageBatchSuccess>;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }

    async fn run(self, sqs: &Sqs) -> Result<Self::Output, Error> {
        let checked = self.check();
        let mut drafts = Vec::with_capacity(self.entries.len());
        for mut entry in self.entries {
            drafts.push((std::mem::take(&mut entry.id), entry.draft(sqs)));
        }
        sqs.on_queue(&self.queue_url, |queue, now| {
            checked?;
            let missing = |draft: &Draft| queue.is_fifo() && draft.group.is_none();
            if drafts
                .iter()
                .any(|(_, draft)| draft.as_ref().is_ok_and(missing))
            {
                // Of the whole batch, unlike other faults of an entry.
                return Err(Error::invalid(
                    "The request must contain the parameter MessageGroupId.",
                ));
            }
            let mut outcome = BatchOutcome::with_capacity(drafts.len());
            for (index, (id, draft)) in drafts.into_iter().enumerate() {
                let draft = sqs.entry(index).and(draft);
                let result = send(sqs, queue, now, draft);
                let success = |id, sent: Sent| SendMessageBatchSuccess {
                    id,
                    message: sent.into(),
                };
                outcome.record(id, result, success);
            }
            Ok(outcome)
        })
    }
}

impl SendMessageBatch {
    fn check(&self) -> Result<(), Error> {
        check_entries(
            Self::NAME,
            self.entries.iter().map(|entry| entry.id.as_str()),
        )?;
        let bytes: usize = self.entries.iter().map(SendMessageBatchEntry::bytes).sum();
        if bytes > MESSAGE_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::BatchRequestTooLong,
                format!(
                    "Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. \
                     You have sent {bytes} bytes."
                ),
            ));
        }
        Ok(())
    }
}

impl SendMessageBatchEntry {
    fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttributeValue)| {
            name.len() + value.data_type.len() + value.bytes().len()
        };
        self.message_body.len() + self.message_attributes.iter().map(attribute).sum::<usize>()
    }

    fn draft(self, sqs: &Sqs) -> Result<Draft, Error> {
        let mut draft = Draft::new(
            &self.message_body,
            self.message_attributes,
            &self.message_system_attributes,
            sqs.caller().sender(),
        )?;
        if let Some(id) = &self.message_deduplication_id {
            check_group_id("MessageDeduplicationId", id)?;
        }
        if let Some(id) = &self.message_group_id {
            check_group_id("MessageGroupId", id)?;
        }
        draft.deduplication = self.message_deduplication_id.map(Into::into);
        draft.group = self.message_group_id.map(Into::into);
        draft.delay_secs = self.delay_seconds;
        Ok(draft)
    }
}

fn send(
    sqs: &Sqs,
    queue: &mut Queue,
    now: Millis,
    draft: Result<Draft, Error>,
) -> Result<Sent, Error> {
    let sent = draft.and_then(|draft| queue.send(now, draft));
    sqs.note_sent(sent.as_ref().map(|sent| sent.id));
    sent
}

fn as_text<S: Serializer>(number: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&number.unwrap_or_default())
}
