//! A message as people can write it into a file: lines `name:type:value`, an empty line, the body.

use fleet::message::{
    AttributeValue, Attributes, BODY_BYTES_MAX, Message, MessageId, Outgoing, Receipt,
};
use jiff::Timestamp;

/// What stands in the bytes of a target, however they look.
///
/// Names that begin with `@` are no attributes: `@id`, `@group`, `@trace`, `@reason`, `@detail`,
/// and `@room`, the bytes to leave free of the 1 MiB that a message may have.
#[derive(Default)]
pub(crate) struct Letter {
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) id: String,
    pub(crate) group_id: Option<String>,
    pub(crate) trace_header: Option<String>,
    pub(crate) reason: String,
    pub(crate) detail: Option<String>,
    pub(crate) room: Option<usize>,
}

impl Letter {
    /// Reads a letter; whatever is no line of its head is left out.
    pub(crate) fn read(data: &[u8]) -> Self {
        let (head, body) = split(data);
        let mut letter = Self {
            body: lossy(body),
            id: "m-1".to_owned(),
            ..Self::default()
        };
        for line in head.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(3, |byte| *byte == b':');
            if let (Some(name), Some(kind), Some(value)) =
                (parts.next(), parts.next(), parts.next())
            {
                letter.take(lossy(name), lossy(kind), value);
            }
        }
        letter
    }

    fn take(&mut self, name: String, kind: String, value: &[u8]) {
        match name.as_str() {
            "@id" => self.id = lossy(value),
            "@group" => self.group_id = Some(lossy(value)),
            "@trace" => self.trace_header = Some(lossy(value)),
            "@reason" => self.reason = lossy(value),
            "@detail" => self.detail = Some(lossy(value)),
            "@room" => self.room = lossy(value).parse().ok(),
            _ if kind.starts_with("Binary") => {
                self.attributes
                    .set(name, AttributeValue::binary(kind, value));
            }
            _ => {
                self.attributes
                    .set(name, AttributeValue::text(kind, lossy(value)));
            }
        }
    }

    /// Returns it as its sender hands it to a queue.
    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing {
            body: self.body.clone(),
            attributes: self.attributes.clone(),
            group_id: self.group_id.clone(),
            trace_header: self.trace_header.clone(),
            ..Outgoing::default()
        }
    }

    /// Returns it as a receive brings it, its failure unfolded.
    pub(crate) fn message(&self) -> Message {
        let mut message = Message {
            id: MessageId(self.id.clone()),
            receipt: Receipt("r".to_owned()),
            body: self.body.clone(),
            attributes: self.attributes.clone(),
            receive_count: 1,
            sent_at: Timestamp::UNIX_EPOCH,
            group_id: self.group_id.clone(),
            trace_header: self.trace_header.clone(),
            failure: None,
        };
        message.unfold();
        message
    }

    /// Lengthens the body until no more room is left than `@room` says.
    pub(crate) fn fill(&mut self) {
        let Some(room) = self.room else { return };
        let used = self.outgoing().size_bytes();
        let missing = BODY_BYTES_MAX.saturating_sub(room).saturating_sub(used);
        // White space, so that JSON stays JSON.
        self.body.push_str(&" ".repeat(missing));
    }
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = data.strip_prefix(b"\n") {
        return (b"", body);
    }
    match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (b"", data),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
