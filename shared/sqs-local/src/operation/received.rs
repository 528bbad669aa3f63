//! A message as a receiver sees it: what it asked for, and no more.

use std::str::FromStr;
use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind};
use crate::message::{Content, Md5, MessageAttributes, MessageId};
use crate::queue::Delivery;

macro_rules! system_attributes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the service writes on a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SystemAttribute {
            $($(#[$doc])* $name,)*
        }

        impl SystemAttribute {
            /// Every system attribute.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the attribute's name as it travels.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }

        impl FromStr for SystemAttribute {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                match name {
                    $(stringify!($name) => Ok(Self::$name),)*
                    _ => Err(Error::new(
                        ErrorKind::InvalidAttributeName,
                        format!("Unknown Attribute {name}."),
                    )),
                }
            }
        }
    };
}

system_attributes! {
    /// Who sent it: the access key.
    SenderId,
    /// When it was sent, in milliseconds since the epoch.
    SentTimestamp,
    /// How often it was received, this time included, by all queues.
    ApproximateReceiveCount,
    /// When it was first received, in milliseconds since the epoch.
    ApproximateFirstReceiveTimestamp,
    /// Its place in the order of a FIFO queue.
    SequenceNumber,
    /// What it is deduplicated by.
    MessageDeduplicationId,
    /// Its group.
    MessageGroupId,
    /// The trace it was sent with.
    AWSTraceHeader,
    /// The queue that redrive moved it from.
    DeadLetterQueueSourceArn,
}

/// The system attributes that were asked for and have a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemAttributes(Vec<(SystemAttribute, String)>);

impl SystemAttributes {
    /// Returns the value of an attribute.
    pub fn get(&self, attribute: SystemAttribute) -> Option<&str> {
        self.iter()
            .find(|(name, _)| *name == attribute)
            .map(|(_, value)| value)
    }

    /// Visits the attributes.
    pub fn iter(&self) -> impl Iterator<Item = (SystemAttribute, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for SystemAttributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name.name(), value)?;
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
    pub receipt_handle: String,
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
        system: &SystemSelection,
        selection: &Selection<'_>,
    ) -> Self {
        let attributes = system.of(&delivery);
        let content = &delivery.content;
        let (message_attributes, md5_of_message_attributes) = selection.of(content);
        Self {
            message_id: content.id,
            receipt_handle: delivery.receipt_handle,
            md5_of_body: content.body_md5,
            body: Arc::clone(&content.body),
            attributes,
            md5_of_message_attributes,
            message_attributes,
        }
    }
}

/// Which system attributes a receive asks for.
#[derive(Debug)]
pub(super) struct SystemSelection(Vec<SystemAttribute>);

impl SystemSelection {
    pub(super) fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, Error> {
        let mut selected = Vec::new();
        for name in names {
            let added = match name {
                "All" => SystemAttribute::ALL,
                name => &[name.parse()?],
            };
            for attribute in added {
                if !selected.contains(attribute) {
                    selected.push(*attribute);
                }
            }
        }
        Ok(Self(selected))
    }

    fn of(&self, delivery: &Delivery) -> SystemAttributes {
        let mut values = Vec::with_capacity(self.0.len());
        for attribute in &self.0 {
            if let Some(value) = system_value(*attribute, delivery) {
                values.push((*attribute, value));
            }
        }
        SystemAttributes(values)
    }
}

fn system_value(attribute: SystemAttribute, delivery: &Delivery) -> Option<String> {
    use SystemAttribute as A;
    let content = &delivery.content;
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    match attribute {
        A::SenderId => Some(content.sender.as_ref().to_owned()),
        A::SentTimestamp => Some(content.sent.to_string()),
        A::ApproximateReceiveCount => Some(delivery.receive_count.to_string()),
        A::ApproximateFirstReceiveTimestamp => Some(delivery.first_received.to_string()),
        A::SequenceNumber => content.sequence.map(|number| number.to_string()),
        A::MessageDeduplicationId => text(&content.deduplication),
        A::MessageGroupId => text(&content.group),
        A::AWSTraceHeader => text(&content.trace_header),
        A::DeadLetterQueueSourceArn => text(&content.moved_from),
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
        let Some(attributes) = &content.attributes else {
            return Default::default();
        };
        match self {
            Self::None => Default::default(),
            Self::All => (Arc::clone(attributes), content.attributes_md5),
            Self::Some(names) => {
                let mut selected = MessageAttributes::clone(attributes);
                selected.retain(|name, _| Self::selects(names, name));
                let digest = (!selected.is_empty()).then(|| Md5::of_attributes(&selected));
                (Arc::new(selected), digest)
            }
        }
    }
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
