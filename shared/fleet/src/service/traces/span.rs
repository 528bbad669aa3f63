use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span as SdkSpan;

use super::context::TraceContext;
use super::tracer::tracer;

/// A piece of work that a trace shows, until it is dropped; nothing at all where nothing is traced.
///
/// Names and attributes are those of OpenTelemetry's semantic conventions for
/// messaging and for CloudEvents. They are ids, types, names of queues and
/// classes of errors: never what is in a message.
#[derive(Debug, Default)]
pub struct Span(Option<Box<SdkSpan>>);

impl Span {
    /// Begins the making of an event: where a producer names no trace, one begins here.
    pub fn create(event_type: &str, producer: Option<&TraceContext>) -> Self {
        Self::begin(SpanKind::Producer, "create", event_type, producer)
    }

    /// Begins to send a message to a queue.
    pub fn send(queue: &str, parent: Option<&TraceContext>) -> Self {
        Self::begin(SpanKind::Producer, "send", queue, parent)
    }

    /// Makes the span of a receive that has taken so long, and brought so many messages.
    pub fn receive(queue: &str, took: Duration, messages: usize) -> Self {
        let mut span = Self::begin_at(SpanKind::Client, "receive", queue, None, Some(took));
        let count = i64::try_from(messages).unwrap_or(i64::MAX);
        span.set(KeyValue::new("messaging.batch.message_count", count));
        span
    }

    /// Begins the work on a message, for its producer; `receive` is what brought it.
    pub fn process(
        queue: &str,
        producer: Option<&TraceContext>,
        receive: Option<&TraceContext>,
    ) -> Self {
        let mut span = Self::begin(SpanKind::Consumer, "process", queue, producer);
        if let (Some(span), Some(receive)) = (&mut span.0, receive) {
            span.add_link(receive.as_span_context().clone(), Vec::new());
        }
        span
    }

    /// Begins to bring what became of a message to its queue.
    pub fn settle(queue: &str, process: Option<&TraceContext>) -> Self {
        Self::begin(SpanKind::Client, "settle", queue, process)
    }

    /// Returns the place in its trace to hand on; there is one too where the trace is not recorded.
    pub fn context(&self) -> Option<TraceContext> {
        TraceContext::of(self.0.as_ref()?.span_context())
    }

    /// Says which message it is about, by the id that SQS gave it.
    pub fn message(&mut self, id: &str) {
        self.text("messaging.message.id", id);
    }

    /// Says which event it is about.
    pub fn event(&mut self, event_type: &str, source: &str, id: &str) {
        self.text("cloudevents.event_type", event_type);
        self.text("cloudevents.event_source", source);
        self.text("cloudevents.event_id", id);
    }

    /// Says something of the fleet's own.
    pub fn text(&mut self, key: &'static str, value: &str) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new(key, value.to_owned()));
        }
    }

    /// Says that it failed, and of which class the failure is.
    pub fn fail(&mut self, class: impl Into<Cow<'static, str>>) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new("error.type", class.into()));
            span.set_status(Status::error(""));
        }
    }

    fn begin(
        kind: SpanKind,
        operation: &'static str,
        destination: &str,
        parent: Option<&TraceContext>,
    ) -> Self {
        Self::begin_at(kind, operation, destination, parent, None)
    }

    fn begin_at(
        kind: SpanKind,
        operation: &'static str,
        destination: &str,
        parent: Option<&TraceContext>,
        took: Option<Duration>,
    ) -> Self {
        let Some(tracer) = tracer() else {
            return Self(None);
        };
        let mut builder = SpanBuilder::from_name(operation).with_kind(kind);
        builder.start_time = took.and_then(|took| SystemTime::now().checked_sub(took));
        let nowhere = Context::new();
        let parent = match parent {
            Some(parent) => nowhere.with_remote_span_context(parent.as_span_context().clone()),
            None => nowhere,
        };
        let mut span = tracer.build_with_context(builder, &parent);
        // Of those that are not recorded only the ids are needed, and most are not.
        if span.is_recording() {
            span.update_name(format!("{operation} {destination}"));
            span.set_attributes([
                KeyValue::new("messaging.system", "aws_sqs"),
                KeyValue::new("messaging.destination.name", destination.to_owned()),
                KeyValue::new("messaging.operation.name", operation),
                KeyValue::new("messaging.operation.type", operation),
            ]);
        }
        Self(Some(Box::new(span)))
    }

    fn set(&mut self, attribute: KeyValue) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(attribute);
        }
    }
}
