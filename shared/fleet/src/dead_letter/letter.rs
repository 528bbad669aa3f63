use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::fingerprint::Fingerprint;
use crate::message::{EventKey, FailureClass, Message, MessageId, RawEnvelope};

/// What is said of a message that SQS moved by itself.
const RECEIVES_EXHAUSTED: &str = "receives exhausted";

/// Whose messages die in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The consumer, if it is one of the fleet's.
    pub consumer: Option<String>,
    /// The name of the queue that they come from.
    pub queue: String,
}

/// What is known of a dead message, without its body.
///
/// A copy that the fleet made carries its failure. Of one that a redrive policy moved there is
/// only what SQS says and what can be read in its envelope.
#[derive(Clone, Debug, Serialize)]
pub struct Death {
    /// The id of the message in the dead-letter queue.
    pub id: String,
    /// The event's source and id; all copies of one event have the same.
    pub key: EventKey,
    /// The event's type, if it can be read.
    pub event_type: Option<String>,
    /// The consumer that gave up on it, or whose queue it was moved from.
    pub consumer: Option<String>,
    /// The queue that it comes from.
    pub queue: String,
    /// The build that gave up on it; unknown of older copies, and when SQS moved it.
    pub version: Option<String>,
    /// What ended it.
    pub class: FailureClass,
    /// The stable phrase.
    pub reason: String,
    /// What is particular to this message.
    pub detail: Option<String>,
    /// By what it is the same failure as others.
    pub fingerprint: Fingerprint,
    /// Attempts charged; unknown when the fleet did not count.
    pub attempts: Option<u32>,
    /// How often SQS had handed it out before it died; for a moved message, looks included.
    pub receives: u32,
    /// When it was first sent to a queue.
    pub first_sent_at: Timestamp,
    /// When it was given up; unknown when SQS moved it.
    pub failed_at: Option<Timestamp>,
    /// When SQS counts its retention from.
    pub sent_at: Timestamp,
    /// How often it was replayed before.
    pub replay_no: u32,
    /// Whether somebody has edited its data.
    pub is_edited: bool,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// The ordering key, or the tenant.
    pub group_id: Option<String>,
    /// The bytes of its body and attributes.
    pub size_bytes: usize,
}

impl Death {
    /// Reads what is known of a message of a dead-letter queue.
    pub fn of(message: &Message, origin: &Origin) -> Self {
        let failure = message.failure.as_deref();
        let queue = failure.map_or(&origin.queue, |failure| &failure.queue);
        let envelope = RawEnvelope::open(message, queue).ok();
        let key = match (failure, &envelope) {
            (Some(failure), _) => failure.key.clone(),
            (None, Some(envelope)) => envelope.key.clone(),
            (None, None) => EventKey::new(queue, &message.id.0),
        };
        let event_type = failure
            .and_then(|failure| failure.event_type.clone())
            .or_else(|| Some(envelope.as_ref()?.event_type.clone().into_owned()));
        let consumer = match failure {
            Some(failure) => Some(failure.consumer.clone()),
            None => origin.consumer.clone(),
        };
        let reason = failure.map_or(RECEIVES_EXHAUSTED, |failure| &failure.reason);
        let handler = consumer.as_deref().unwrap_or(queue);
        let trace = match envelope {
            Some(envelope) => envelope.trace,
            None => message.trace(),
        };
        Self {
            id: message.id.0.clone(),
            fingerprint: Fingerprint::new(handler, event_type.as_deref(), reason),
            key,
            event_type,
            consumer,
            queue: queue.clone(),
            version: failure.and_then(|failure| failure.version.clone()),
            class: failure.map_or(FailureClass::ReceivesExhausted, |failure| failure.class),
            reason: reason.to_owned(),
            detail: failure.and_then(|failure| failure.detail.clone()),
            attempts: failure.map(|failure| failure.attempts),
            receives: failure.map_or(message.receive_count, |failure| failure.receives),
            first_sent_at: failure.map_or(message.sent_at, |failure| failure.first_sent_at),
            failed_at: failure.map(|failure| failure.failed_at),
            sent_at: message.sent_at,
            replay_no: failure.map_or(0, |failure| failure.replay_no),
            is_edited: failure.is_some_and(|failure| failure.edited.is_some()),
            trace_id: trace.map(|trace| trace.trace_id().to_string()),
            group_id: message.group_id.clone(),
            size_bytes: message.size_bytes(),
        }
    }

    /// Returns when it died, or, when nobody knows, when it was sent: it was alive until then.
    pub fn at(&self) -> Timestamp {
        self.failed_at.unwrap_or(self.sent_at)
    }

    /// Returns when SQS throws it away.
    ///
    /// A copy of the fleet's is as old as its burial. What SQS moved on a standard queue is as old
    /// as its first sending.
    ///
    /// Source: SQS developer guide, "Configuring queue message retention" for dead-letter queues.
    pub fn expires_at(&self, retention: Duration) -> Timestamp {
        self.sent_at
            .checked_add(retention)
            .unwrap_or(Timestamp::MAX)
    }

    /// Returns the id of the message.
    pub fn message_id(&self) -> MessageId {
        MessageId(self.id.clone())
    }
}
