//! A message as a receiver sees it: what it asked for, and no more.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::system_attribute::{SystemAttribute, SystemSelection};
use crate::limits::Millis;
use crate::message::{Content, Md5, MessageAttributes, MessageId};
use crate::queue::{Delivery, ReceiptHandle};

/// The system attributes that were asked for; values are written when they are looked at.
#[derive(Clone)]
pub struct SystemAttributes {
    selected: SystemSelection,
    content: Arc<Content>,
    receive_count: u32,
    first_received: Millis,
}

/// A value before it is written.
enum Value<'a> {
    Text(&'a str),
    Number(u128),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl SystemAttributes {
    /// Returns the value of an attribute, if it was asked for and there is one.
    pub fn get(&self, attribute: SystemAttribute) -> Option<String> {
        self.values()
            .find(|(name, _)| *name == attribute)
            .map(|(_, value)| value.to_string())
    }

    /// Visits the attributes.
    pub fn iter(&self) -> impl Iterator<Item = (SystemAttribute, String)> {
        self.values().map(|(name, value)| (name, value.to_string()))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    fn values(&self) -> impl Iterator<Item = (SystemAttribute, Value<'_>)> {
        let selected = SystemAttribute::ALL
            .iter()
            .filter(|name| self.selected.has(**name));
        selected.filter_map(|name| Some((*name, self.value(*name)?)))
    }

    fn value(&self, attribute: SystemAttribute) -> Option<Value<'_>> {
        use SystemAttribute as A;
        let content = &self.content;
        match attribute {
            A::SenderId => Some(Value::Text(&content.sender)),
            A::SentTimestamp => Some(Value::Number(content.sent.into())),
            A::ApproximateReceiveCount => Some(Value::Number(self.receive_count.into())),
            A::ApproximateFirstReceiveTimestamp => Some(Value::Number(self.first_received.into())),
            A::SequenceNumber => content.extras().sequence.map(Value::Number),
            A::MessageDeduplicationId => text_of(&content.extras().deduplication),
            A::MessageGroupId => text_of(&content.group),
            A::AWSTraceHeader => text_of(&content.extras().trace_header),
            A::DeadLetterQueueSourceArn => text_of(&content.extras().moved_from),
        }
    }
}

fn text_of(text: &Option<Arc<str>>) -> Option<Value<'_>> {
    text.as_deref().map(Value::Text)
}

impl fmt::Debug for SystemAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for SystemAttributes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SystemAttributes {}

impl Serialize for SystemAttributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.values() {
            map.serialize_key(name.name())?;
            match value {
                Value::Text(text) => map.serialize_value(text)?,
                Value::Number(number) => map.serialize_value(&format_args!("{number}"))?,
            }
        }
        map.end()
    }
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceivedMessage {
    /// Its id.
    pub message_id: MessageId,
    /// What this receive, and no other, deletes it by.
    pub receipt_handle: ReceiptHandle,
    /// The digest of the body.
    #[serde(rename = "MD5OfBody")]
    pub md5_of_body: Md5,
    /// The body.
    #[serde(serialize_with = "shared_text")]
    pub body: Arc<str>,
    /// The system attributes that were asked for.
    #[serde(skip_serializing_if = "SystemAttributes::is_empty")]
    pub attributes: SystemAttributes,
    /// The digest of the attributes below, if there are any.
    #[serde(
        rename = "MD5OfMessageAttributes",
        skip_serializing_if = "Option::is_none"
    )]
    pub md5_of_message_attributes: Option<Md5>,
    /// The attributes that were asked for.
    #[serde(serialize_with = "shared_map", skip_serializing_if = "is_empty_map")]
    pub message_attributes: Arc<MessageAttributes>,
}

impl ReceivedMessage {
    pub(super) fn new(
        delivery: Delivery,
        system: SystemSelection,
        selection: &Selection<'_>,
    ) -> Self {
        let content = &delivery.content;
        let (message_attributes, md5_of_message_attributes) = selection.of(content);
        Self {
            message_id: content.id,
            receipt_handle: delivery.receipt_handle,
            md5_of_body: content.body_md5,
            body: Arc::clone(&content.body),
            md5_of_message_attributes,
            message_attributes,
            attributes: SystemAttributes {
                selected: system,
                receive_count: delivery.receive_count,
                first_received: delivery.first_received,
                content: delivery.content,
            },
        }
    }
}

/// Which attributes a receive asks for. Names that no attribute can have are no error in SQS.
#[derive(Debug)]
pub(super) enum Selection<'a> {
    None,
    All,
    Some(&'a [String]),
}

impl<'a> Selection<'a> {
    pub(super) fn parse(names: &'a [String]) -> Self {
        if names.iter().any(|name| name == "All" || name == ".*") {
            Self::All
        } else if names.is_empty() {
            Self::None
        } else {
            Self::Some(names)
        }
    }

    fn selects(names: &[String], attribute: &str) -> bool {
        names.iter().any(|name| match name.strip_suffix(".*") {
            Some(prefix) => attribute.starts_with(prefix),
            None => attribute == name,
        })
    }

    fn of(&self, content: &Content) -> (Arc<MessageAttributes>, Option<Md5>) {
        match (self, &content.extras().attributes) {
            (Self::None, _) | (_, None) => (no_attributes(), None),
            (Self::All, Some((attributes, digest))) => (Arc::clone(attributes), Some(*digest)),
            (Self::Some(names), Some((attributes, _))) => {
                let mut selected = MessageAttributes::clone(attributes);
                selected.retain(|name, _| Self::selects(names, name));
                let digest = (!selected.is_empty()).then(|| Md5::of_attributes(&selected));
                (Arc::new(selected), digest)
            }
        }
    }
}

/// One empty map for all messages, since most have no attributes.
fn no_attributes() -> Arc<MessageAttributes> {
    static EMPTY: LazyLock<Arc<MessageAttributes>> = LazyLock::new(Arc::default);
    Arc::clone(&EMPTY)
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn shared_map<S: Serializer>(
    map: &Arc<MessageAttributes>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    MessageAttributes::serialize(map, serializer)
}

fn is_empty_map(map: &Arc<MessageAttributes>) -> bool {
    map.is_empty()
}
