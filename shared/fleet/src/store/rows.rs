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
    /// The receive count of the last one that its delivery absorbed: while a message is worked
    /// on, another receive of it only hands over its receipt. Else the same as `receive`.
    pub receive_last: u32,
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
    /// Something was in the way; nobody is charged.
    Contended,
    /// A shutdown, a pause or an outage of the database took the message away; nobody is charged.
    Released,
    /// No handler knows the type yet; nobody is charged.
    UnknownType,
    /// The lease was lost while the handler ran; nobody is charged.
    LeaseLost,
    /// A suspect's handler is about to run. A row that stays like this says that the process
    /// ended meanwhile, and is charged to the receives after it.
    Started,
    /// A suspect's handler came to its end, and whatever became of the message needs no row.
    Finished,
}

/// What is known of a delivery before its handler runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Whether the event's effect is committed.
    pub processed: bool,
    /// How many attempts were charged to the message, those that a process did not survive included.
    pub charged: u32,
    /// How many of them no process survived.
    pub crashes: u32,
    /// How many of the receives before this one have a row.
    pub explained: u32,
    /// When the message was first released for want of a handler.
    pub unknown_since: Option<Timestamp>,
    /// How often it was released because a dependency other than the database was down.
    pub unavailable: u32,
    /// When that was for the first time.
    pub unavailable_since: Option<Timestamp>,
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
    /// Tells whether the row by itself counts against `max_attempts`.
    pub fn is_charged(self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::Panicked => true,
            Self::Unavailable
            | Self::Contended
            | Self::Released
            | Self::UnknownType
            | Self::LeaseLost
            | Self::Started
            | Self::Finished => false,
        }
    }

    /// All outcomes.
    const ALL: [Self; 10] = [
        Self::Failed,
        Self::TimedOut,
        Self::Panicked,
        Self::Unavailable,
        Self::Contended,
        Self::Released,
        Self::UnknownType,
        Self::LeaseLost,
        Self::Started,
        Self::Finished,
    ];

    /// Finds the outcome of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// Returns the name that the table and the tools use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Unavailable => "unavailable",
            Self::Contended => "contended",
            Self::Released => "released",
            Self::UnknownType => "unknown_type",
            Self::LeaseLost => "lease_lost",
            Self::Started => "started",
            Self::Finished => "finished",
        }
    }
}

impl History {
    /// Tells whether a receive before this one ended without anybody's word for it: the message
    /// may have taken its process along.
    pub fn is_suspect(&self, receive: u32) -> bool {
        self.explained < receive.saturating_sub(1)
    }
}
