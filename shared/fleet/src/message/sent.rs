use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::attributes::{AttributeValue, Attributes};
use super::failure::Failure;
use crate::service::traces::TraceContext;

/// The most bytes of one message, and of one batch: body and attributes together.
///
/// Source: SQS developer guide, "Message quotas" (1 MiB since August 2025).
pub const BODY_BYTES_MAX: usize = 1_048_576;

/// The attributes that carry a trace, by the names of W3C Trace Context.
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// The id that SQS gave a message when it was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub String);

/// The handle of one receive; every receive of a message brings another.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// One message as a receive brought it.
#[derive(Clone, Debug)]
pub struct Message {
    /// The id that SQS gave it; a copy has another.
    pub id: MessageId,
    /// The handle of this receive.
    pub receipt: Receipt,
    /// The body, byte by byte.
    pub body: String,
    /// The message attributes.
    pub attributes: Attributes,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
    /// When it was sent to this queue.
    pub sent_at: Timestamp,
    /// `MessageGroupId`: the ordering key on a FIFO queue, the tenant on a standard one.
    pub group_id: Option<String>,
    /// `AWSTraceHeader`, as the sender gave it.
    pub trace_header: Option<String>,
    /// What the reserved attribute said: this copy was dead before.
    pub failure: Option<Box<Failure>>,
}

/// One message on its way to a queue.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// The body; at least one character.
    pub body: String,
    /// The message attributes.
    pub attributes: Attributes,
    /// `MessageGroupId`; required on FIFO queues.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`; for FIFO queues only.
    pub deduplication_id: Option<String>,
    /// `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// How long it stays hidden at first, 0–900 s; not for FIFO queues.
    pub delay: Option<Duration>,
}

impl Message {
    /// Takes the failure of a dead letter out of the attributes, and puts back what it displaced.
    pub fn unfold(&mut self) {
        if self.failure.is_none() {
            self.failure = Failure::unfold(&mut self.attributes).map(Box::new);
        }
    }

    /// Returns the trace that it belongs to as far as can be told without its envelope.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace_of_attributes()
            .or_else(|| self.trace_of_header())
    }

    pub(super) fn trace_of_attributes(&self) -> Option<TraceContext> {
        let state = || self.attributes.text(TRACE_STATE);
        TraceContext::parse(self.attributes.text(TRACE_PARENT)?, state())
    }

    pub(super) fn trace_of_header(&self) -> Option<TraceContext> {
        TraceContext::parse_xray(self.trace_header.as_deref()?)
    }

    /// Returns the bytes that count towards SQS's limit.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + self.attributes.size_bytes()
    }
}

impl Outgoing {
    /// Puts a trace into the attributes, unless the message would become too large for SQS.
    pub fn carry(&mut self, trace: &TraceContext) {
        let parent = AttributeValue::string(trace.to_string());
        self.attributes.set(TRACE_PARENT, parent);
        match trace.state() {
            Some(state) => self
                .attributes
                .set(TRACE_STATE, AttributeValue::string(state)),
            None => self.attributes.remove(TRACE_STATE),
        };
        if self.size_bytes() > BODY_BYTES_MAX {
            self.attributes.remove(TRACE_PARENT);
            self.attributes.remove(TRACE_STATE);
        }
    }

    /// Makes a message of a body alone.
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// Returns the bytes that count towards SQS's limit.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + self.attributes.size_bytes()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Receipt {
    // A receipt lets its holder delete the message: it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt(…)")
    }
}
