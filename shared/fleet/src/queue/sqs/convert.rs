use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use aws_smithy_types::Blob;
use jiff::Timestamp;

use super::call::refused;
use crate::message::{AttributeValue, Attributes, Message, MessageId, Outgoing, Receipt};
use crate::queue::QueueError;

/// The system attributes that a receive asks for.
pub(super) fn system_attributes() -> Vec<MessageSystemAttributeName> {
    vec![
        MessageSystemAttributeName::SentTimestamp,
        MessageSystemAttributeName::ApproximateReceiveCount,
        MessageSystemAttributeName::MessageGroupId,
        MessageSystemAttributeName::AwsTraceHeader,
    ]
}

/// Turns what a receive brought into a message whose attributes are as they were sent.
pub(super) fn incoming(message: aws_sdk_sqs::types::Message) -> Message {
    let mut system = message.attributes.unwrap_or_default();
    let mut take = |name: MessageSystemAttributeName| system.remove(&name);
    let sent_at = take(MessageSystemAttributeName::SentTimestamp)
        .and_then(|millis| millis.parse().ok())
        .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let receive_count = take(MessageSystemAttributeName::ApproximateReceiveCount)
        .and_then(|count| count.parse().ok());
    let attributes: Attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, from_sdk(value)))
        .collect();
    Message {
        id: MessageId(message.message_id.unwrap_or_default()),
        receipt: Receipt(message.receipt_handle.unwrap_or_default()),
        body: message.body.unwrap_or_default(),
        attributes,
        receive_count: receive_count.unwrap_or(1),
        sent_at: sent_at.unwrap_or_else(Timestamp::now),
        group_id: take(MessageSystemAttributeName::MessageGroupId),
        trace_header: take(MessageSystemAttributeName::AwsTraceHeader),
        failure: None,
    }
}

fn from_sdk(value: MessageAttributeValue) -> AttributeValue {
    match value.binary_value {
        Some(bytes) => AttributeValue::binary(value.data_type, bytes.into_inner()),
        None => AttributeValue::text(value.data_type, value.string_value.unwrap_or_default()),
    }
}

/// Turns a message into an entry of a batch, whose id is its index.
pub(super) fn outgoing(
    index: usize,
    message: &Outgoing,
) -> Result<SendMessageBatchRequestEntry, QueueError> {
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
