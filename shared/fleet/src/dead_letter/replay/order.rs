use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::trouble::ReplayTrouble;
use crate::dead_letter::filter::Matcher;
use crate::dead_letter::letter::Origin;
use crate::dead_letter::restore::Destination;
use crate::message::Outgoing;
use crate::queue::Queue;
use crate::service::config::RateLimit;
use crate::service::retry::Jitter;
use crate::store::PostgresStore;

/// What is replayed, from where to where.
#[derive(Debug)]
pub struct Order<'a> {
    /// Its number in the journal.
    pub id: i64,
    /// The journal.
    pub journal: &'a PostgresStore,
    /// The dead-letter queue; its receives hide messages for `lease`.
    pub source: &'a dyn Queue,
    /// Whose messages die in it.
    pub origin: Origin,
    /// How long a receive of `source` hides a message.
    pub lease: Duration,
    /// How long one is hidden that is not meant, so that it does not come again and again.
    pub aside: Duration,
    /// Where its messages go.
    pub destination: &'a dyn Queue,
    /// Whose queue that is.
    pub to: Destination,
    /// What is sent in place of each, when somebody has edited it; all that are meant are copies
    /// of one event then.
    pub edited: Option<&'a Outgoing>,
    /// Which are meant.
    pub matcher: Matcher,
    /// Only what was dead before this is meant.
    pub cut: Timestamp,
    /// Events first sent before this are passed over: the inbox may have forgotten them.
    pub oldest: Option<Timestamp>,
    /// The most messages to send.
    pub max: Option<u64>,
    /// How many a second.
    pub rate: Option<RateLimit>,
    /// About how many messages are meant: while fewer were met and the queue is not empty, somebody
    /// else holds them, and they may come back.
    pub expected: u64,
    /// How long somebody may hide messages that the journal does not know: whoever was killed
    /// between a receive and the journal. They are waited for while SQS counts more than was met.
    pub patience: Duration,
    /// Spreads retries.
    pub jitter: Jitter,
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many more messages are through.
    Replayed(u64),
    /// Nothing is to be had, but an earlier replay may hide messages for so long.
    Waiting(Duration),
}

/// How it went.
#[derive(Debug)]
pub struct Report {
    /// Why it ended.
    pub end: End,
    /// Messages sent.
    pub sent: u64,
    /// Copies of these, which were deleted without being sent.
    pub copies: u64,
    /// Messages that an earlier replay had sent, and that were only deleted.
    pub finished: u64,
    /// Messages that were meant but not replayed, by why.
    pub kept: BTreeMap<String, u64>,
    /// Messages that were not meant, or died later.
    pub passed_over: u64,
    /// Messages that could not be made visible again, and come back when their time is over.
    pub hidden: u64,
}

/// Why a replay ended.
#[derive(Debug)]
pub enum End {
    /// There was nothing left.
    Complete,
    /// As many were sent as it was to send.
    Limit,
    /// Somebody wanted it to.
    Stopped,
    /// It could not go on.
    Trouble(ReplayTrouble),
}
