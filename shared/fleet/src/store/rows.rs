use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::{EventKey, Failure, MessageId};

/// One row of the attempts ledger: a receive of a message that did not end well.
///
/// SQS's own receive count also grows by deploys, lost answers and peeks, so
/// the fleet keeps an account of its own. The happy path writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The consumer that received it.
    pub consumer: String,
    /// The message.
    pub message_id: MessageId,
    /// SQS's receive count at this receive.
    pub receive: u32,
    /// The event that the message carries, if it could be read.
    pub key: Option<EventKey>,
    /// How the receive ended.
    pub outcome: AttemptOutcome,
    /// A stable phrase of what went wrong; never content of the message.
    pub reason: String,
    /// When it ended.
    pub at: Timestamp,
}

/// How a receive that is worth a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The handler returned an error that a retry may cure.
    Failed,
    /// The handler took longer than its timeout.
    TimedOut,
    /// The handler panicked.
    Panicked,
    /// A dependency was down; nobody is charged.
    Unavailable,
    /// A shutdown or a pause took the message away; nobody is charged.
    Released,
    /// No handler knows the type yet; nobody is charged.
    UnknownType,
}

/// What is known of a delivery before its handler runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Whether the event's effect is committed.
    pub processed: bool,
    /// How many attempts were charged to the message.
    pub charged: u32,
    /// When the message was first released for want of a handler.
    pub unknown_since: Option<Timestamp>,
}

/// A dead-letter copy that SQS has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The copy's own id.
    pub copy_id: MessageId,
    /// The queue it went to.
    pub queue: String,
    /// Why.
    pub failure: Failure,
}

impl AttemptOutcome {
    /// Tells whether the receive counts against `max_attempts`.
    pub fn is_charged(self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::Panicked => true,
            Self::Unavailable | Self::Released | Self::UnknownType => false,
        }
    }

    /// Returns the name that the table and the tools use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Unavailable => "unavailable",
            Self::Released => "released",
            Self::UnknownType => "unknown_type",
        }
    }
}
