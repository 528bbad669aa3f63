mod convert;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqs_local::{
    ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry, CreateQueue,
    DeleteMessageBatch, DeleteMessageBatchEntry, GetQueueAttributes, GetQueueUrl, ReceiveMessage,
    SendMessageBatch, Sqs,
};

use self::convert::{failed, in_order, incoming, outgoing};
use crate::message::{Message, MessageId, Outgoing, Receipt};
use crate::queue::{
    Directory, Entries, Queue, QueueAttributes, QueueError, QueueErrorKind, name_of,
};

/// A queue of sqs-local without any I/O, so that the paused clock drives it.
///
/// Clones speak to the same queue and share its outage.
#[derive(Clone)]
pub struct LocalQueue {
    sqs: Sqs,
    url: String,
    is_down: Arc<AtomicBool>,
    visibility: Option<Duration>,
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

    /// Returns a handle whose receives hide messages for this long, as `SqsQueue::hiding_for` does.
    #[must_use]
    pub fn hiding_for(mut self, visibility: Duration) -> Self {
        self.visibility = Some(visibility);
        self
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
            ..CreateQueue::default()
        };
        let created = sqs
            .call(create)
            .await
            .expect("a test's queue has a legal name");
        Self {
            sqs: sqs.clone(),
            url: created.queue_url,
            is_down: Arc::default(),
            visibility: None,
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
            visibility_timeout: self
                .visibility
                .and_then(|time| i32::try_from(time.as_secs()).ok()),
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

/// Finds the other queues of its account.
#[async_trait]
impl Directory for LocalQueue {
    async fn find(&self, name: &str) -> Result<Arc<dyn Queue>, QueueError> {
        const NAME: &str = "GetQueueUrl";
        self.fail_if_down(NAME)?;
        let get = GetQueueUrl {
            queue_name: name.to_owned(),
            ..GetQueueUrl::default()
        };
        let found = self.sqs.call(get).await;
        let found = found.map_err(|error| failed(NAME, &error))?;
        Ok(Arc::new(Self {
            url: found.queue_url,
            ..self.clone()
        }))
    }
}

impl fmt::Debug for LocalQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
