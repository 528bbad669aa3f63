use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::EventKey;

/// The events that go by an id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Their keys, by source. The source is empty where only the MessageId of a message is known
    /// that nobody could read so far.
    pub keys: Vec<EventKey>,
    /// Whether there are more of them.
    pub keys_left_out: bool,
    /// Whether there are more sources of events that are done than were looked through.
    pub sources_left_out: bool,
}

/// Everything that is on record of one event; never its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Its rows in the outbox, one a destination.
    pub outbox: Vec<Dispatch>,
    /// The receives of its messages that did not end well.
    pub attempts: Vec<Try>,
    /// How many more of them there are, which were before those.
    pub attempts_left_out: u64,
    /// Its effects: what is done.
    pub inbox: Vec<Effect>,
    /// The copies of its messages in dead-letter queues.
    pub dead_letters: Vec<Death>,
    /// The replays of those.
    pub replays: Vec<Replayed>,
}

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The row's number.
    pub id: i64,
    /// The consumer whose queue it goes to.
    pub consumer: String,
    /// The event's type.
    pub event_type: String,
    /// What it keeps its order with.
    pub ordering_key: Option<String>,
    /// The W3C trace context of its producer.
    pub trace_parent: Option<String>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When it was sent, or given up.
    pub sent_at: Option<Timestamp>,
    /// Since when it is parked, or was when it was given up.
    pub parked_at: Option<Timestamp>,
    /// Why it is parked, or was.
    pub parked_reason: Option<String>,
    /// When an operator made it sendable again.
    pub retried_at: Option<Timestamp>,
    /// Who that was.
    pub retried_by: Option<String>,
    /// When an operator gave it up.
    pub discarded_at: Option<Timestamp>,
    /// Who that was.
    pub discarded_by: Option<String>,
    /// Why.
    pub discard_reason: Option<String>,
    /// The parked row of its ordering key that it waits for.
    pub halted_by: Option<i64>,
}

/// A receive of a message that did not end well, in the words of the release that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The consumer.
    pub consumer: String,
    /// The message.
    pub message_id: String,
    /// SQS's receive count.
    pub receive: u32,
    /// That of the last receive that was absorbed.
    pub receive_last: u32,
    /// How it ended.
    pub outcome: String,
    /// Whether it counts against the attempts.
    pub charged: bool,
    /// What went wrong.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An effect that is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The consumer.
    pub consumer: String,
    /// When its transaction began.
    pub processed_at: Timestamp,
}

/// A copy in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The copy's own id.
    pub copy_id: String,
    /// The message that it is a copy of.
    pub message_id: String,
    /// The dead-letter queue.
    pub queue: String,
    /// The consumer that gave up.
    pub consumer: String,
    /// The event's type, if it could be read.
    pub event_type: Option<String>,
    /// What kind of failure it was.
    pub class: String,
    /// What went wrong.
    pub reason: String,
    /// What is particular to this message.
    pub detail: Option<String>,
    /// How many attempts were charged.
    pub attempts: u32,
    /// How often SQS had handed it out.
    pub receives: u32,
    /// When the event was first sent to a queue.
    pub first_sent_at: Timestamp,
    /// When it was dead-lettered.
    pub failed_at: Timestamp,
}

/// A dead letter in the journal of a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The replay.
    pub replay_id: i64,
    /// What kind of replay: `replay`, `edit`, or `native`.
    pub kind: String,
    /// The consumer that had given up, or else the one whose queue it goes to, where known.
    pub consumer: Option<String>,
    /// The dead letter's own id.
    pub message_id: String,
    /// The dead-letter queue.
    pub queue: String,
    /// Where it goes.
    pub destination: String,
    /// Who replays.
    pub who: String,
    /// Whether the message was changed on its way.
    pub edited: bool,
    /// How far it came: `planned`, `sent` or `deleted`.
    pub state: String,
    /// The message that was sent in its place.
    pub sent_message_id: Option<String>,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// When the other message was sent.
    pub sent_at: Option<Timestamp>,
    /// When the dead letter was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When the replay as a whole ended.
    pub ended_at: Option<Timestamp>,
}

impl Story {
    /// Tells whether nothing is on record.
    pub fn is_empty(&self) -> bool {
        let Self {
            outbox,
            attempts,
            attempts_left_out: _,
            inbox,
            dead_letters,
            replays,
        } = self;
        outbox.is_empty()
            && attempts.is_empty()
            && inbox.is_empty()
            && dead_letters.is_empty()
            && replays.is_empty()
    }
}
