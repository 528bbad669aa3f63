//! SQS itself, through the AWS SDK: conversions and the classification of errors.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Blob;
use jiff::Timestamp;
use tokio::time::Instant;

use super::error::{EntryError, QueueError, QueueErrorKind};
use super::{Entries, Queue, QueueAttributes, name_of};
use crate::message::{AttributeValue, Attributes, Failure, Message, MessageId, Outgoing, Receipt};
use crate::service::metrics::SqsMetrics;

/// How long a call that does not poll may take: a healthy one takes milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than its wait a long poll may take before it counts as hung.
const POLL_MARGIN: Duration = Duration::from_secs(5);

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The account: credentials, region and endpoint as the AWS SDK finds them.
#[derive(Clone, Debug)]
pub struct Sqs {
    config: SdkConfig,
    metrics: SqsMetrics,
}

/// What a client is for; clients share no connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    timeout: Duration,
}

/// One queue, seen through one client.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    metrics: SqsMetrics,
}

impl ClientOptions {
    /// Options for long polls of up to `wait`: an attempt is given up 5 s after it.
    pub fn receiving(wait: Duration) -> Self {
        Self {
            timeout: wait + POLL_MARGIN,
        }
    }

    /// Options for every other call: an attempt is given up after 5 s.
    pub fn calling() -> Self {
        Self {
            timeout: CALL_TIMEOUT,
        }
    }
}

impl Sqs {
    /// Reads the SDK's configuration from the environment, profiles and instance roles.
    ///
    /// Credentials are fetched at the first call, so that an outage of their
    /// source does not end the start.
    pub async fn connect() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        Self {
            config,
            metrics: SqsMetrics::new(),
        }
    }

    /// Speaks to a stand-in on this machine with fixed test credentials; the environment has no say.
    pub fn local(endpoint: &str) -> Self {
        let credentials = Credentials::from_keys("test", "test", None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .build();
        Self {
            config,
            metrics: SqsMetrics::new(),
        }
    }

    /// Returns a queue with a client of its own.
    pub fn queue(&self, url: &str, options: ClientOptions) -> SqsQueue {
        SqsQueue {
            client: self.client(options),
            url: url.to_owned(),
            metrics: self.metrics.clone(),
        }
    }

    /// Looks up the URL of a queue by its name.
    ///
    /// # Errors
    ///
    /// `NoSuchQueue` when there is none, and the errors of every call.
    pub async fn url_of(&self, name: &str) -> Result<String, QueueError> {
        let call = self
            .client(ClientOptions::calling())
            .get_queue_url()
            .queue_name(name);
        let answer = finish(&self.metrics, "GetQueueUrl", call.send()).await?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    /// Creates a queue and returns its URL; one that is there with the same attributes is returned.
    ///
    /// # Errors
    ///
    /// `Refused` when there is one with other attributes, and the errors of every call.
    pub async fn create(
        &self,
        name: &str,
        attributes: &[(&str, String)],
    ) -> Result<String, QueueError> {
        let client = self.client(ClientOptions::calling());
        let mut call = client.create_queue().queue_name(name);
        for (name, value) in attributes {
            call = call.attributes(QueueAttributeName::from(*name), value);
        }
        let answer = finish(&self.metrics, "CreateQueue", call.send()).await?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    /// Returns the endpoint that the environment names instead of AWS's own, if it does.
    pub fn endpoint(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    fn client(&self, options: ClientOptions) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(options.timeout)
            .build();
        // Retries are the callers': a receive must not repeat itself behind the
        // lease clock, and of a batch only some entries are worth repeating.
        let config = aws_sdk_sqs::config::Builder::from(&self.config)
            .http_client(
                aws_smithy_http_client::Builder::new()
                    .tls_provider(tls::Provider::Rustls(
                        tls::rustls_provider::CryptoMode::Ring,
                    ))
                    .build_https(),
            )
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Client::from_conf(config)
    }
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
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .set_message_system_attribute_names(Some(system_attributes()));
        let answer = finish(&self.metrics, "ReceiveMessage", call.send()).await?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().map(incoming).collect())
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
                    .visibility_timeout(i32::try_from(visibility.as_secs()).unwrap_or(i32::MAX))
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

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

fn system_attributes() -> Vec<MessageSystemAttributeName> {
    vec![
        MessageSystemAttributeName::SentTimestamp,
        MessageSystemAttributeName::ApproximateReceiveCount,
        MessageSystemAttributeName::MessageGroupId,
        MessageSystemAttributeName::AwsTraceHeader,
    ]
}

fn incoming(message: aws_sdk_sqs::types::Message) -> Message {
    let mut system = message.attributes.unwrap_or_default();
    let mut take = |name: MessageSystemAttributeName| system.remove(&name);
    let sent_at = take(MessageSystemAttributeName::SentTimestamp)
        .and_then(|millis| millis.parse().ok())
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let receive_count = take(MessageSystemAttributeName::ApproximateReceiveCount)
        .and_then(|count| count.parse().ok());
    let mut attributes: Attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, from_sdk(value)))
        .collect();
    let failure = Failure::unfold(&mut attributes).map(Box::new);
    Message {
        id: MessageId(message.message_id.unwrap_or_default()),
        receipt: Receipt(message.receipt_handle.unwrap_or_default()),
        body: message.body.unwrap_or_default(),
        attributes,
        receive_count: receive_count.unwrap_or(1),
        sent_at: sent_at.unwrap_or_else(Timestamp::now),
        group_id: take(MessageSystemAttributeName::MessageGroupId),
        trace_header: take(MessageSystemAttributeName::AwsTraceHeader),
        failure,
    }
}

fn from_sdk(value: MessageAttributeValue) -> AttributeValue {
    match value.binary_value {
        Some(bytes) => AttributeValue::binary(value.data_type, bytes.into_inner()),
        None => AttributeValue::text(value.data_type, value.string_value.unwrap_or_default()),
    }
}

fn outgoing(index: usize, message: &Outgoing) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let refuse = |error| refused("SendMessageBatch", error);
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .set_message_group_id(message.group_id.clone())
        .set_message_deduplication_id(message.deduplication_id.clone());
    if let Some(delay) = message.delay {
        entry = entry.delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(i32::MAX));
    }
    if let Some(header) = &message.trace_header {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(header)
            .build()
            .map_err(refuse)?;
        entry = entry
            .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    for (name, value) in message.attributes.iter() {
        let value = MessageAttributeValue::builder()
            .data_type(value.data_type())
            .set_string_value(value.as_text().map(str::to_owned))
            .set_binary_value(value.as_binary().map(Blob::new))
            .build()
            .map_err(refuse)?;
        entry = entry.message_attributes(name, value);
    }
    entry.build().map_err(refuse)
}

/// Puts the answers of a batch into the order of its entries.
///
/// An entry that SQS did not mention counts as failed: silence is no confirmation.
fn in_order<S, T>(
    count: usize,
    successful: impl Iterator<Item = (String, S)>,
    failed: Vec<BatchResultErrorEntry>,
    convert: impl Fn(S) -> T,
) -> Entries<T> {
    let mut entries: Entries<T> = Vec::with_capacity(count);
    entries.resize_with(count, || {
        Err(EntryError {
            code: "NotMentioned".to_owned(),
            sender_fault: false,
        })
    });
    let mut set = |id: &str, result| {
        if let Some(entry) = id
            .parse()
            .ok()
            .and_then(|index: usize| entries.get_mut(index))
        {
            *entry = result;
        }
    };
    for (id, success) in successful {
        set(&id, Ok(convert(success)));
    }
    for entry in failed {
        let error = EntryError {
            code: entry.code,
            sender_fault: entry.sender_fault,
        };
        set(&entry.id, Err(error));
    }
    entries
}

/// Waits for a call, counts it, and classifies its error, once and for all callers.
async fn finish<T, E>(
    metrics: &SqsMetrics,
    operation: &'static str,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, QueueError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let started = Instant::now();
    let answer = call.await.map_err(|error| classify(operation, error));
    let result = answer
        .as_ref()
        .map_or_else(|error| error.kind.as_str(), |_| "ok");
    metrics.requested(operation, result, started.elapsed());
    answer
}

fn classify<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let kind = match &error {
        SdkError::ServiceError(service) => QueueErrorKind::of_code(
            code.as_deref().unwrap_or_default(),
            service.raw().status().as_u16(),
        ),
        _ if has_cause::<CredentialsError>(&error) => QueueErrorKind::Credentials,
        SdkError::ConstructionFailure(_) => QueueErrorKind::Refused,
        _ => QueueErrorKind::Unreachable,
    };
    QueueError {
        operation,
        kind,
        code,
        source: Some(Box::new(error)),
    }
}

fn refused(
    operation: &'static str,
    error: aws_smithy_types::error::operation::BuildError,
) -> QueueError {
    QueueError {
        operation,
        kind: QueueErrorKind::Refused,
        code: None,
        source: Some(error.into()),
    }
}

fn has_cause<C: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<C>() {
            return true;
        }
        cause = error.source();
    }
    false
}
