//! A message of a dead-letter queue as a line of a file.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use fleet::dead_letter::Death;
use fleet::message::{
    ATTRIBUTES_MAX, AttributeValue, Attributes, BODY_BYTES_MAX, EventKey, Message, MessageId,
    Outgoing, Receipt,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::output;

/// The format of the lines; a reader refuses another.
const FORMAT: u32 = 1;

/// The longest line: of 1 MiB each byte may take six, and names and ids come on top.
pub(super) const LINE_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

/// A message as a dead-letter queue holds it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The format.
    fleet_export: u32,
    /// The dead-letter queue that it was exported from.
    queue: String,
    /// Whose it is, for those who read the file; a message says so itself.
    pub(super) event: EventKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    pub(super) message_id: String,
    pub(super) sent_at: Timestamp,
    receive_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_header: Option<String>,
    attributes: Recorded,
    body: String,
}

/// Message attributes, with their types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recorded(pub(super) BTreeMap<String, RecordedValue>);

/// One of them: text as it is, bytes as Base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedValue {
    #[serde(rename = "type")]
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Record {
    /// Records a message whose attributes are as the queue holds them.
    pub(super) fn of(queue: &str, death: &Death, message: Message) -> Self {
        Self {
            fleet_export: FORMAT,
            queue: queue.to_owned(),
            event: death.key.clone(),
            event_type: death.event_type.clone(),
            message_id: message.id.0,
            sent_at: message.sent_at,
            receive_count: message.receive_count,
            group_id: message.group_id,
            trace_header: message.trace_header,
            attributes: Recorded::of(&message.attributes),
            body: message.body,
        }
    }

    /// Writes it as a line, which can steer no terminal.
    pub(super) fn line(&self) -> String {
        let json = serde_json::to_string(self).expect("a record has string keys only");
        output::escape_json(&json).into_owned() + "\n"
    }

    /// Reads a line, or says what is wrong with it.
    pub(super) fn read(line: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            fleet_export: u32,
        }
        let format: Format = serde_json::from_str(line).map_err(|error| {
            anyhow::anyhow!("is no line of an export (column {})", error.column())
        })?;
        let format = format.fleet_export;
        ensure!(
            format == FORMAT,
            "has the format {format}; this program reads {FORMAT}"
        );
        let record: Self = serde_json::from_str(line).context("is broken")?;
        ensure!(!record.body.is_empty(), "has no body");
        let attributes = record.attributes.read()?;
        ensure!(
            attributes.len() <= ATTRIBUTES_MAX,
            "has more than {ATTRIBUTES_MAX} attributes"
        );
        let size = record.body.len() + attributes.size_bytes();
        ensure!(
            size <= BODY_BYTES_MAX,
            "makes a message of {size} bytes, at most {BODY_BYTES_MAX} are allowed"
        );
        Ok(record)
    }

    /// Returns the message as a look would have shown it.
    pub(super) fn message(&self) -> anyhow::Result<Message> {
        let mut message = Message {
            id: MessageId(self.message_id.clone()),
            receipt: Receipt(String::new()),
            body: self.body.clone(),
            attributes: self.attributes.read()?,
            receive_count: self.receive_count,
            sent_at: self.sent_at,
            group_id: self.group_id.clone(),
            trace_header: self.trace_header.clone(),
            failure: None,
        };
        message.unfold();
        Ok(message)
    }

    /// Returns what is sent to have it back, with this deduplication id on a FIFO queue.
    pub(super) fn outgoing(self, deduplication_id: Option<String>) -> anyhow::Result<Outgoing> {
        Ok(Outgoing {
            attributes: self.attributes.read()?,
            body: self.body,
            group_id: self.group_id,
            deduplication_id,
            trace_header: self.trace_header,
            delay: None,
        })
    }
}

impl Recorded {
    pub(super) fn of(attributes: &Attributes) -> Self {
        let value = |value: &AttributeValue| RecordedValue {
            data_type: value.data_type().to_owned(),
            text: value.as_text().map(str::to_owned),
            base64: value.as_binary().map(|bytes| BASE64.encode(bytes)),
        };
        let values = attributes.iter();
        Self(
            values
                .map(|(name, of)| (name.to_owned(), value(of)))
                .collect(),
        )
    }

    fn read(&self) -> anyhow::Result<Attributes> {
        self.0
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.read(name)?)))
            .collect()
    }
}

impl RecordedValue {
    /// Returns the value as it is written.
    pub(super) fn written(&self) -> &str {
        let written = self.text.as_ref().or(self.base64.as_ref());
        written.map_or("", String::as_str)
    }

    fn read(&self, name: &str) -> anyhow::Result<AttributeValue> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(AttributeValue::text(&self.data_type, text)),
            (None, Some(base64)) => {
                let bytes = BASE64.decode(base64);
                let bytes = bytes.with_context(|| format!("attribute {name} is no Base64"))?;
                Ok(AttributeValue::binary(&self.data_type, bytes))
            }
            _ => bail!("attribute {name} needs either text or base64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use fleet::dead_letter::Origin;
    use proptest::prelude::*;

    use super::*;

    fn attribute() -> impl Strategy<Value = AttributeValue> {
        prop_oneof![
            any::<String>().prop_map(AttributeValue::string),
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|bytes| AttributeValue::binary("Binary.png", bytes)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read_back_byte_by_byte(
            body in "(?s).{1,60}",
            attributes in proptest::collection::btree_map(any::<String>(), attribute(), 0..=10),
            group_id in proptest::option::of(any::<String>()),
            trace_header in proptest::option::of(any::<String>()),
        ) {
            let message = Message {
                id: MessageId("m-1".to_owned()),
                receipt: Receipt("r".to_owned()),
                body,
                attributes: attributes.into_iter().collect(),
                receive_count: 3,
                sent_at: Timestamp::UNIX_EPOCH,
                group_id,
                trace_header,
                failure: None,
            };
            let origin = Origin { consumer: None, queue: "billing".to_owned() };
            let death = Death::of(&message, &origin);
            let line = Record::of("billing-dlq", &death, message.clone()).line();
            prop_assert_eq!(line.lines().count(), 1);
            let read = Record::read(&line).expect("a line that was written");
            prop_assert_eq!(&read.event, &death.key);
            let sent = read.outgoing(None).expect("its attributes are well");
            prop_assert_eq!(sent.body, message.body);
            prop_assert_eq!(sent.attributes, message.attributes);
            prop_assert_eq!(sent.group_id, message.group_id);
            prop_assert_eq!(sent.trace_header, message.trace_header);
        }
    }

    #[test]
    fn a_line_of_a_full_message_stays_within_the_limit() {
        let full = Record {
            fleet_export: FORMAT,
            queue: "q".repeat(80),
            event: EventKey::new("s".repeat(1_024), "i".repeat(1_024)),
            event_type: None,
            message_id: "m".to_owned(),
            sent_at: Timestamp::UNIX_EPOCH,
            receive_count: u32::MAX,
            group_id: None,
            trace_header: None,
            attributes: Recorded(BTreeMap::new()),
            body: "\u{7f}".repeat(BODY_BYTES_MAX),
        };
        assert!(full.line().len() < LINE_BYTES_MAX);
    }

    #[test]
    fn a_line_that_is_none_says_why() {
        for (line, why) in [
            ("x", "is no line of an export (column 1)"),
            ("{}", "is no line of an export (column 2)"),
            (
                "{\"fleet_export\":9}",
                "has the format 9; this program reads 1",
            ),
        ] {
            let said = Record::read(line).expect_err("it is none").to_string();
            assert_eq!(said, why);
        }
    }
}
