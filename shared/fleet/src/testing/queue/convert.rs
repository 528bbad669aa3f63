//! Between the messages of the fleet and those of sqs-local.

use jiff::Timestamp;
use sqs_local::{
    BatchOutcome, Error, MessageAttributeValue, ReceivedMessage, SendMessageBatchEntry,
    SystemAttribute,
};

use crate::message::{AttributeValue, Attributes, Failure, Message, MessageId, Outgoing, Receipt};
use crate::queue::{Entries, EntryError, QueueError, QueueErrorKind};

pub(super) fn incoming(message: ReceivedMessage) -> Message {
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

pub(super) fn outgoing(index: usize, message: &Outgoing) -> SendMessageBatchEntry {
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

pub(super) fn in_order<S, T>(
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

pub(super) fn failed(operation: &'static str, error: &Error) -> QueueError {
    let kind = QueueErrorKind::of_code(error.kind.code(), error.kind.status());
    let code = Some(error.kind.code().to_owned());
    QueueError {
        operation,
        kind,
        code,
        source: Some(error.clone().into()),
    }
}
