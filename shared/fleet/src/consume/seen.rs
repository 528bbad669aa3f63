use std::borrow::Cow;

use tokio::time::Instant;

use super::suspects::Turn;
use crate::message::{EventKey, Message, RawEnvelope};
use crate::store::History;

/// What was learnt about a message while it was worked on.
#[derive(Debug)]
pub(super) struct Seen {
    /// When its handler started, or the look at it that no handler came of.
    pub(super) started: Instant,
    pub(super) key: Option<EventKey>,
    pub(super) event_type: Option<Cow<'static, str>>,
    pub(super) trace_parent: Option<String>,
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
            trace_parent: None,
            history: History::default(),
            started_on_record: false,
            turn: None,
        }
    }

    /// Keeps what an envelope says, under the registered name of its type if there is one.
    pub(super) fn learn(&mut self, event: RawEnvelope<'_>, event_type: Option<&'static str>) {
        self.key = Some(event.key);
        self.trace_parent = event.trace_parent;
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
