//! The part of a message that never changes while it lies in a queue.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Md5, MessageAttributes};
use crate::limits::Millis;

/// The id SQS gives to a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) Uuid);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut buffer))
    }
}

/// What was sent, and what the service wrote on it on arrival.
///
/// It is small, and what few messages have is elsewhere: a receive from a long backlog waits for
/// memory more than for anything else.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) id: MessageId,
    pub(crate) body: Arc<str>,
    pub(crate) body_md5: Md5,
    pub(crate) sender: Arc<str>,
    /// When it came into the queue; retention counts from here.
    pub(crate) sent: Millis,
    pub(crate) group: Option<Arc<str>>,
    /// `None` stands for nothing of it, which is the usual case.
    pub(crate) extras: Option<Box<Extras>>,
}

/// What only some messages have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    /// The attributes and their digest.
    pub(crate) attributes: Option<(Arc<MessageAttributes>, Md5)>,
    pub(crate) trace_header: Option<Arc<str>>,
    pub(crate) deduplication: Option<Arc<str>>,
    pub(crate) sequence: Option<u128>,
    /// The queue it was moved from by redrive.
    pub(crate) moved_from: Option<Arc<str>>,
    /// Receives that other queues counted before it was moved here.
    pub(crate) received_before: u32,
    /// When it was first received, if that was in another queue.
    pub(crate) first_received: Option<Millis>,
}

impl Content {
    pub(crate) fn extras(&self) -> &Extras {
        static NONE: Extras = Extras::NONE;
        self.extras.as_deref().unwrap_or(&NONE)
    }

    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

impl Extras {
    /// Nothing.
    const NONE: Self = Self {
        attributes: None,
        trace_header: None,
        deduplication: None,
        sequence: None,
        moved_from: None,
        received_before: 0,
        first_received: None,
    };

    /// Keeps the extras if there are any.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::NONE).then(|| Box::new(self))
    }
}
