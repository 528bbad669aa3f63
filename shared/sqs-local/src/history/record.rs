//! One call of the history.

use serde::Serialize;

use crate::limits::Millis;
use crate::message::MessageId;

/// A call: who asked for what, what came of it, and what went wrong with it on purpose.
///
/// Requests that are not a call of a known operation with fields it can read are not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its place in the history, from 1 without gaps.
    pub seq: u64,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at: Millis,
    /// The access key of the caller, or `anonymous`.
    pub key: Box<str>,
    /// The operation.
    pub operation: &'static str,
    /// The name of the queue as it was asked for, if the operation is about one.
    pub queue: Option<Box<str>>,
    /// `ok`, or the code of the error (`QueueDoesNotExist`), or `abandoned` if the caller went
    /// away while it waited. What an abandoned receive is handed later has no record.
    pub result: &'static str,
    /// The kind of fault that was applied. The caller got no answer if it is one of `lost`,
    /// `truncate`, `drip`, `reset`, `hang` and `hung-poll`; with `reset` and `hang` there was no
    /// effect either.
    pub fault: Option<&'static str>,
    /// Each message it was about.
    pub entries: Vec<Entry>,
}

/// What a call did to one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The message's id; missing if there is none, as for a message that was refused or a receipt
    /// that nobody was given.
    pub id: Option<MessageId>,
    /// `sent`, `received`, `changed` (its visibility), `deleted`, or the code of an error. Two
    /// are answered like `deleted`: `stale` (the receipt is not the newest, the message stays) and
    /// `gone` (it was deleted before).
    pub outcome: &'static str,
    /// How often it has been received by now; of receives only.
    pub receives: Option<u32>,
}
