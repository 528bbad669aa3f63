use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::error::HandlerError;
use crate::message::DecodeError;

/// What came of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The effect is committed.
    Processed,
    /// The effect was committed before.
    Duplicate,
    /// The handler failed in a way that a retry may cure.
    Failed {
        /// A stable phrase.
        reason: Cow<'static, str>,
        /// When the handler wants to be called again.
        after: Option<Duration>,
    },
    /// A dependency is down, or something was in the way.
    Unavailable {
        /// Whose fault it is; `None` when it was only contention.
        dependency: Option<Cow<'static, str>>,
    },
    /// The handler said that no retry can help.
    Rejected {
        /// A stable phrase.
        reason: Cow<'static, str>,
        /// What is particular to this message.
        detail: Option<String>,
    },
    /// The message is no event, or its data does not fit.
    Undecodable(DecodeError),
    /// No handler knows the type.
    UnknownType {
        /// When the message was first released for this reason, if ever.
        since: Option<Timestamp>,
    },
    /// The handler took longer than its timeout.
    TimedOut,
    /// The handler panicked.
    Panicked,
    /// The shutdown's grace ended before the handler did.
    Interrupted,
    /// The lease was lost: the message belongs to somebody else now.
    LeaseLost,
}

impl Outcome {
    /// Returns the name that metrics and logs use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Failed { .. } => "failed",
            Self::Unavailable { .. } => "unavailable",
            Self::Rejected { .. } => "rejected",
            Self::Undecodable(_) => "undecodable",
            Self::UnknownType { .. } => "unknown_type",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Interrupted => "interrupted",
            Self::LeaseLost => "lease_lost",
        }
    }

    /// Tells whether the event is done, now or before.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Processed | Self::Duplicate)
    }
}

impl From<HandlerError> for Outcome {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Permanent { reason, detail } => Self::Rejected { reason, detail },
            HandlerError::Retryable { reason, after, .. } => Self::Failed { reason, after },
            HandlerError::Unavailable { dependency, .. } => Self::Unavailable {
                dependency: Some(dependency),
            },
            HandlerError::Contended { .. } => Self::Unavailable { dependency: None },
            HandlerError::Duplicate(_) => Self::Duplicate,
        }
    }
}
