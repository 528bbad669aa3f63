use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqs_local::{
    BatchOutcome, ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry, CreateQueue,
    DeleteMessageBatch, DeleteMessageBatchEntry, Error, GetQueueAttributes, MessageAttributeValue,
    ReceiveMessage, ReceivedMessage, SendMessageBatch, SendMessageBatchEntry, Sqs, SystemAttribute,
};

use crate::message::{AttributeValue, Attributes, Failure, Message, MessageId, Outgoing, Receipt};
use crate::queue::{
    Entries, EntryError, Queue, QueueAttributes, QueueError, QueueErrorKind, name_of,
};

/// A queue of sqs-local without any I/O, so that the paused clock drives it.
///
/// Clones speak to the same queue and share its outage.
#[derive(Clone)]
pub struct LocalQueue {
    sqs: Sqs,
    url: String,
    is_down: Arc<AtomicBool>,
}

impl LocalQueue {
    /// Makes a queue `name` and its dead-letter queue `name-dlq`, as `dev` does.
    ///
    /// # Panics
    ///
    /// The name is not one that SQS takes, or a queue of that name has other attributes.
    pub async fn pair(sqs: &Sqs, name: &str) -> (Self, Self) {
        let dead_name = match name.strip_suffix(".fifo") {
            Some(stem) => format!("{stem}-dlq.fifo"),
            None => format!("{name}-dlq"),
        };
        let dead = Self::create(sqs, &dead_name, &[]).await;
        let redrive = serde_json::json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead_name}"),
            "maxReceiveCount": 100,
        });
        let attributes = [
            ("VisibilityTimeout", "60".to_owned()),
            ("RedrivePolicy", redrive.to_string()),
        ];
        (Self::create(sqs, name, &attributes).await, dead)
    }

    /// Makes every call fail as if SQS could not be reached, or ends that.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    async fn create(sqs: &Sqs, name: &str, attributes: &[(&str, String)]) -> Self {
        let mut attributes: BTreeMap<String, String> = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if name.ends_with(".fifo") {
            attributes.insert("FifoQueue".to_owned(), "true".to_owned());
        }
        let create = CreateQueue {
            queue_name: name.to_owned(),
            attributes,
        };
        let created = sqs
            .call(create)
            .await
            .expect("a test's queue has a legal name");
        Self {
            sqs: sqs.clone(),
            url: created.queue_url,
            is_down: Arc::default(),
        }
    }

    fn fail_if_down(&self, operation: &'static str) -> Result<(), QueueError> {
        if !self.is_down.load(Ordering::SeqCst) {
            return Ok(());
        }
        let kind = QueueErrorKind::Unreachable;
        Err(QueueError {
            operation,
            kind,
            code: None,
            source: None,
        })
    }
}

#[async_trait]
impl Queue for LocalQueue {
    fn name(&self) -> &str {
        name_of(&self.url)
    }

    fn url(&self) -> &str {
        &self.url
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        const NAME: &str = "ReceiveMessage";
        self.fail_if_down(NAME)?;
        let receive = ReceiveMessage {
            queue_url: self.url.clone(),
            max_number_of_messages: i32::try_from(max).ok(),
            wait_time_seconds: i32::try_from(wait.as_secs()).ok(),
            message_system_attribute_names: vec!["All".to_owned()],
            message_attribute_names: vec!["All".to_owned()],
            ..Default::default()
        };
        let received = self
            .sqs
            .call(receive)
            .await
            .map_err(|error| failed(NAME, &error))?;
        self.fail_if_down(NAME)?;
        Ok(received.messages.into_iter().map(incoming).collect())
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        const NAME: &str = "SendMessageBatch";
        self.fail_if_down(NAME)?;
        let entries = messages
            .iter()
            .enumerate()
            .map(|(index, message)| outgoing(index, message));
        let send = SendMessageBatch {
            queue_url: self.url.clone(),
            entries: entries.collect(),
        };
        let outcome = self
            .sqs
            .call(send)
            .await
            .map_err(|error| failed(NAME, &error))?;
        Ok(in_order(messages.len(), outcome, |sent| {
            (sent.id, MessageId(sent.message.message_id.to_string()))
        }))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        const NAME: &str = "DeleteMessageBatch";
        self.fail_if_down(NAME)?;
        let entries = receipts
            .iter()
            .enumerate()
            .map(|(index, receipt)| DeleteMessageBatchEntry {
                id: index.to_string(),
                receipt_handle: receipt.0.clone(),
            });
        let delete = DeleteMessageBatch {
            queue_url: self.url.clone(),
            entries: entries.collect(),
        };
        let outcome = self
            .sqs
            .call(delete)
            .await
            .map_err(|error| failed(NAME, &error))?;
        Ok(in_order(receipts.len(), outcome, |deleted| {
            (deleted.id, ())
        }))
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        const NAME: &str = "ChangeMessageVisibilityBatch";
        self.fail_if_down(NAME)?;
        let entries = changes.iter().enumerate().map(|(index, (receipt, after))| {
            ChangeMessageVisibilityBatchEntry {
                id: index.to_string(),
                receipt_handle: receipt.0.clone(),
                visibility_timeout: i32::try_from(after.as_secs()).ok(),
            }
        });
        let change = ChangeMessageVisibilityBatch {
            queue_url: self.url.clone(),
            entries: entries.collect(),
        };
        let outcome = self
            .sqs
            .call(change)
            .await
            .map_err(|error| failed(NAME, &error))?;
        Ok(in_order(changes.len(), outcome, |changed| (changed.id, ())))
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        const NAME: &str = "GetQueueAttributes";
        self.fail_if_down(NAME)?;
        let get = GetQueueAttributes {
            queue_url: self.url.clone(),
            attribute_names: vec!["All".to_owned()],
        };
        let answer = self
            .sqs
            .call(get)
            .await
            .map_err(|error| failed(NAME, &error))?;
        let attributes = answer.attributes.into_iter();
        let map = attributes
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Ok(QueueAttributes::from_map(&map))
    }
}

impl fmt::Debug for LocalQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn incoming(message: ReceivedMessage) -> Message {
    let system = |attribute| message.attributes.get(attribute);
    let number = |attribute| system(attribute).and_then(|text: String| text.parse::<i64>().ok());
    let receive_count = number(SystemAttribute::ApproximateReceiveCount);
    let sent_at = number(SystemAttribute::SentTimestamp);
    let group_id = system(SystemAttribute::MessageGroupId);
    let trace_header = system(SystemAttribute::AWSTraceHeader);
    let mut attributes: Attributes = message
        .message_attributes
        .iter()
        .map(|(name, value)| (name.clone(), from_local(value.clone())))
        .collect();
    let failure = Failure::unfold(&mut attributes).map(Box::new);
    Message {
        id: MessageId(message.message_id.to_string()),
        receipt: Receipt(message.receipt_handle.to_string()),
        body: message.body.to_string(),
        attributes,
        receive_count: receive_count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
        sent_at: sent_at
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or_else(Timestamp::now),
        group_id,
        trace_header,
        failure,
    }
}

fn from_local(value: MessageAttributeValue) -> AttributeValue {
    match value.binary_value {
        Some(bytes) => AttributeValue::binary(value.data_type, bytes.to_vec()),
        None => AttributeValue::text(value.data_type, value.string_value.unwrap_or_default()),
    }
}

fn to_local(value: &AttributeValue) -> MessageAttributeValue {
    let mut local = match value.as_binary() {
        Some(bytes) => MessageAttributeValue::binary(bytes.to_vec()),
        None => MessageAttributeValue::string(value.as_text().unwrap_or_default()),
    };
    value.data_type().clone_into(&mut local.data_type);
    local
}

fn outgoing(index: usize, message: &Outgoing) -> SendMessageBatchEntry {
    let trace = message.trace_header.as_ref().map(|header| {
        (
            "AWSTraceHeader".to_owned(),
            to_local(&AttributeValue::string(header)),
        )
    });
    SendMessageBatchEntry {
        id: index.to_string(),
        message_body: message.body.clone(),
        delay_seconds: message
            .delay
            .and_then(|delay| i32::try_from(delay.as_secs()).ok()),
        message_attributes: message
            .attributes
            .iter()
            .map(|(name, value)| (name.to_owned(), to_local(value)))
            .collect(),
        message_system_attributes: trace.into_iter().collect(),
        message_deduplication_id: message.deduplication_id.clone(),
        message_group_id: message.group_id.clone(),
    }
}

fn in_order<S, T>(
    count: usize,
    outcome: BatchOutcome<S>,
    convert: impl Fn(S) -> (String, T),
) -> Entries<T> {
    let missing = || {
        Err(EntryError {
            code: "NotMentioned".to_owned(),
            sender_fault: false,
        })
    };
    let mut entries: Entries<T> = (0..count).map(|_| missing()).collect();
    let failed = outcome.failed.into_iter().map(|entry| {
        let error = EntryError {
            code: entry.code.to_owned(),
            sender_fault: entry.sender_fault,
        };
        (entry.id, Err(error))
    });
    let successful = outcome
        .successful
        .into_iter()
        .map(convert)
        .map(|(id, value)| (id, Ok(value)));
    for (id, result) in successful.collect::<Vec<_>>().into_iter().chain(failed) {
        if let Some(entry) = id
            .parse()
            .ok()
            .and_then(|index: usize| entries.get_mut(index))
        {
            *entry = result;
        }
    }
    entries
}

fn failed(operation: &'static str, error: &Error) -> QueueError {
    let kind = QueueErrorKind::of_code(error.kind.code(), error.kind.status());
    let code = Some(error.kind.code().to_owned());
    QueueError {
        operation,
        kind,
        code,
        source: Some(error.clone().into()),
    }
}
