use std::time::Duration;

use jiff::Timestamp;

use crate::message::EventKey;

/// One replay, as its row tells of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Its number, by which it is resumed.
    pub id: i64,
    /// What it does.
    pub kind: ReplayKind,
    /// The dead-letter queue.
    pub queue: String,
    /// The queue that its messages go to.
    pub destination: String,
    /// The consumer whose queue that is; none for a queue that is not the fleet's.
    pub consumer: Option<String>,
    /// Which dead letters are meant, as JSON.
    pub filter: String,
    /// Messages a second, if that was said.
    pub rate: Option<f64>,
    /// Who started it.
    pub who: String,
    /// When.
    pub started_at: Timestamp,
    /// When it ended in order.
    pub ended_at: Option<Timestamp>,
    /// How it stands; one that was killed is said to be running.
    pub state: ReplayState,
    /// Why it ended before it was done.
    pub stopped_reason: Option<String>,
    /// Only what was dead before this is meant.
    pub cut_at: Timestamp,
    /// The most messages, if that was said.
    pub messages_max: Option<u64>,
    /// How many messages a move task has moved.
    pub moved: Option<u64>,
    /// What its entries say.
    pub counts: ReplayCounts,
    /// When an entry of it last changed.
    pub last_at: Option<Timestamp>,
}

/// What a replay begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReplay {
    /// What it does.
    pub kind: ReplayKind,
    /// The dead-letter queue.
    pub queue: String,
    /// The queue that its messages go to.
    pub destination: String,
    /// The consumer whose queue that is.
    pub consumer: Option<String>,
    /// Which dead letters are meant, as JSON.
    pub filter: String,
    /// Messages a second.
    pub rate: Option<f64>,
    /// Who starts it.
    pub who: String,
    /// Only what was dead before this is meant.
    pub cut_at: Timestamp,
    /// The most messages.
    pub messages_max: Option<u64>,
}

/// What kind of replay it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayKind {
    /// Our own: message by message, with a journal.
    Replay,
    /// One message, edited by hand.
    Edit,
    /// A move task of SQS's own, without entries.
    Native,
}

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// It runs, or it was killed.
    Running,
    /// It ended before it was done, and can be resumed.
    Stopped,
    /// There was nothing left to do.
    Done,
}

/// What the entries of a replay say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Planned, and not known to be sent.
    pub planned: u64,
    /// Sent, and not known to be deleted from the dead-letter queue.
    pub sent: u64,
    /// Sent, and deleted.
    pub deleted: u64,
    /// How many of those that are sent or deleted were copies of another one, and were not sent
    /// themselves.
    pub copies: u64,
}

/// What is written down of a dead letter before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEntry {
    /// The MessageId of the dead letter.
    pub message_id: String,
    /// The event.
    pub key: EventKey,
    /// Its type.
    pub event_type: Option<String>,
    /// The failure it died of, as the tools group it.
    pub fingerprint: String,
    /// A digest of what it says; none for one that is never taken for a copy of another.
    pub content: Option<String>,
    /// The MessageId of the message that died.
    pub died_as: String,
    /// Whether somebody has edited it on the way.
    pub is_edited: bool,
}

/// What the journal knows of a dead letter once it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journaled {
    /// How far it is.
    pub state: EntryState,
    /// The number of the replay that planned it first.
    pub planned_by: i64,
    /// Whether somebody has edited it, or began to.
    pub is_edited: bool,
    /// The MessageId under which a copy of it was sent by the same replay.
    pub sent_as: Option<String>,
}

/// How far an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It is about to be sent; perhaps it was.
    Planned,
    /// It was sent, and may be deleted.
    Sent,
    /// It was sent and deleted.
    Deleted,
}

/// Something that a replay has sent and that failed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFailure {
    /// The MessageId of the dead letter.
    pub message_id: String,
    /// The event.
    pub key: EventKey,
    /// Its type.
    pub event_type: Option<String>,
    /// The failure that it died of before.
    pub fingerprint: String,
    /// Why it failed now.
    pub reason: String,
    /// Whether it is dead again.
    pub is_dead: bool,
}

impl ReplayKind {
    /// Returns the name that the table uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Edit => "edit",
            Self::Native => "native",
        }
    }

    /// Finds the kind of a name; what a later release may have added is none of ours.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Replay, Self::Edit, Self::Native]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl ReplayState {
    /// Returns the name that the table uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }

    /// Finds the state of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Running, Self::Stopped, Self::Done]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl EntryState {
    /// Finds the state of a name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "planned" => Some(Self::Planned),
            "sent" => Some(Self::Sent),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

impl ReplayCounts {
    /// Returns how many messages were sent.
    pub fn replayed(&self) -> u64 {
        (self.sent + self.deleted).saturating_sub(self.copies)
    }
}

impl Replay {
    /// Returns how long ago its entries last changed, as far as the given clock can tell.
    pub fn idle_for(&self, now: Timestamp) -> Duration {
        let last = self.last_at.unwrap_or(self.started_at);
        Duration::try_from(now.duration_since(last)).unwrap_or_default()
    }
}
