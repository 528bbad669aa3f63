use std::borrow::Cow;

use jiff::Timestamp;

use super::error::DecodeError;
use super::key::EventKey;
use crate::service::traces::TraceContext;

/// What an opened body says.
pub(super) enum Opened<'a> {
    /// The envelope has everything.
    Complete(Parts<'a>),
    /// JSON without an envelope of its own; what it lacks is sought in the attributes.
    Bare {
        event_type: Option<Cow<'a, str>>,
        key: Option<EventKey>,
        data: Cow<'a, str>,
    },
}

/// Everything that an envelope carries.
pub(super) struct Parts<'a> {
    pub(super) key: EventKey,
    pub(super) event_type: Cow<'a, str>,
    pub(super) time: Option<Timestamp>,
    pub(super) trace: Option<TraceContext>,
    pub(super) data: Cow<'a, str>,
}

/// Says what is wrong with an envelope of a format.
pub(super) fn misfit(format: &'static str, problem: impl Into<String>) -> DecodeError {
    DecodeError::Envelope {
        format,
        problem: problem.into(),
    }
}
