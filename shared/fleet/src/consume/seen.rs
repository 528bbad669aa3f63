use std::borrow::Cow;

use tokio::time::Instant;
use tracing::Value;
use tracing::field::display;

use super::delivery::Delivery;
use super::outcome::Outcome;
use super::suspects::Turn;
use crate::message::{EventKey, Message, RawEnvelope};
use crate::service::traces::{Span, TraceContext};
use crate::store::History;

/// What was learnt about a message while it was worked on.
#[derive(Debug)]
pub(super) struct Seen {
    /// When its handler started, or the look at it that no handler came of.
    pub(super) started: Instant,
    pub(super) key: Option<EventKey>,
    pub(super) event_type: Option<Cow<'static, str>>,
    /// Where its trace goes on: here if traces are on, else where its producer left it.
    pub(super) trace: Option<TraceContext>,
    /// The work on it, up to its outcome.
    pub(super) span: Span,
    /// What the store knew of it; of a first receive nothing was asked.
    pub(super) history: History,
    /// Whether the ledger may say that its handler started.
    pub(super) started_on_record: bool,
    /// Its turn, if it must run alone.
    pub(super) turn: Option<Turn>,
}

impl Seen {
    /// Starts with nothing, now.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            key: None,
            event_type: None,
            trace: None,
            span: Span::default(),
            history: History::default(),
            started_on_record: false,
            turn: None,
        }
    }

    /// Begins the span of the work on a message, in the trace of its producer.
    pub(super) fn follow(
        &mut self,
        queue: &str,
        delivery: &Delivery,
        event: Option<&RawEnvelope<'_>>,
    ) {
        let message = &delivery.message;
        let producer = match event {
            Some(event) => event.trace.clone(),
            None => message.trace(),
        };
        let mut span = Span::process(queue, producer.as_ref(), delivery.receive.as_ref());
        span.message(&message.id.0);
        if let Some(event) = event {
            span.event(&event.event_type, &event.key.source, &event.key.id);
        }
        self.trace = span.context().or(producer);
        self.span = span;
    }

    /// Ends that span with what came of the work.
    pub(super) fn conclude(&mut self, outcome: &Outcome) {
        let mut span = std::mem::take(&mut self.span);
        span.text("fleet.outcome", outcome.as_str());
        // A shutdown is nobody's failure.
        if !outcome.is_done() && *outcome != Outcome::Interrupted {
            span.fail(outcome.as_str());
        }
    }

    /// Returns the id of the trace, for its lines in the log.
    pub(super) fn trace_id(&self) -> Option<impl Value + use<>> {
        let trace = self.trace.as_ref()?;
        Some(display(trace.trace_id()))
    }

    /// Keeps what an envelope says, under the registered name of its type if there is one.
    pub(super) fn learn(&mut self, event: RawEnvelope<'_>, event_type: Option<&'static str>) {
        self.key = Some(event.key);
        self.event_type = Some(match event_type {
            Some(registered) => Cow::Borrowed(registered),
            None => Cow::Owned(event.event_type.into_owned()),
        });
    }

    /// Tells whether a receive before this one ended without anybody's word for it.
    pub(super) fn is_suspect(&self, message: &Message) -> bool {
        self.history.is_suspect(message.receive_count)
    }

    /// Tells whether all attempts were used up before, and the message is here only because its
    /// copy could not be sent or its deletion got lost.
    pub(super) fn is_used_up(&self, attempts_max: u32) -> bool {
        self.history.charged >= attempts_max
    }

    /// Returns the number of this attempt, from 1; the last one's when all are used up.
    pub(super) fn attempt(&self, attempts_max: u32) -> u32 {
        self.history.charged + u32::from(!self.is_used_up(attempts_max))
    }
}
