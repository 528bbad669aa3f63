use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use super::error::{DATABASE, HandlerError, SharedCause};
use crate::message::DecodeError;
use crate::store::AttemptOutcome;

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

    /// Returns the stable phrase of what is in the way, if anything is.
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Processed | Self::Duplicate => return None,
            Self::Failed { reason, .. } | Self::Rejected { reason, .. } => {
                Cow::Borrowed(reason.as_ref())
            }
            Self::Unavailable {
                dependency: Some(name),
            } => format!("{name} is unavailable").into(),
            Self::Unavailable { dependency: None } => "contention".into(),
            Self::Undecodable(error) => error.to_string().into(),
            Self::UnknownType { .. } => "no handler for the type".into(),
            Self::TimedOut => "handler timed out".into(),
            Self::Panicked => "handler panicked".into(),
            Self::Interrupted => "shutdown or pause".into(),
            Self::LeaseLost => "the lease was lost".into(),
        })
    }

    /// Tells whether the event is done, now or before.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Processed | Self::Duplicate)
    }

    /// Says which row it leaves in the ledger of attempts, and why, if any.
    pub(super) fn ledger_entry(&self) -> Option<(AttemptOutcome, Cow<'_, str>)> {
        let kind = match self {
            Self::Failed { .. } => AttemptOutcome::Failed,
            Self::TimedOut => AttemptOutcome::TimedOut,
            Self::Panicked => AttemptOutcome::Panicked,
            Self::UnknownType { .. } => AttemptOutcome::UnknownType,
            Self::Interrupted => AttemptOutcome::Released,
            Self::LeaseLost => AttemptOutcome::LeaseLost,
            // Of an outage of the database no message is the cause.
            Self::Unavailable {
                dependency: Some(name),
            } if name == DATABASE => AttemptOutcome::Released,
            Self::Unavailable {
                dependency: Some(_),
            } => AttemptOutcome::Unavailable,
            Self::Unavailable { dependency: None } => AttemptOutcome::Contended,
            Self::Processed | Self::Duplicate | Self::Rejected { .. } | Self::Undecodable(_) => {
                return None;
            }
        };
        Some((kind, self.reason()?))
    }
}

/// Something was in the way, and nobody is to blame.
pub(super) const CONTENDED: Outcome = Outcome::Unavailable { dependency: None };

/// An outcome, and what caused it.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Logged with its chain, once, in the line of the message.
    pub(super) cause: Option<SharedCause>,
}

impl Ending {
    /// Makes the end of a message whose attempts were used up before.
    pub(super) fn used_up() -> Self {
        let outcome = Outcome::Failed {
            reason: "all attempts were used up before".into(),
            after: None,
        };
        outcome.into()
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            cause: None,
        }
    }
}

impl From<HandlerError> for Ending {
    fn from(mut error: HandlerError) -> Self {
        let cause = error.take_cause();
        let outcome = match error {
            HandlerError::Permanent { reason, detail } => Outcome::Rejected { reason, detail },
            HandlerError::Retryable { reason, after, .. } => Outcome::Failed { reason, after },
            HandlerError::Unavailable { dependency, .. } => Outcome::Unavailable {
                dependency: Some(dependency),
            },
            HandlerError::Contended { .. } => Outcome::Unavailable { dependency: None },
            HandlerError::Duplicate(_) => Outcome::Duplicate,
        };
        Self { outcome, cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::metrics::OUTCOMES;

    /// Each outcome, with the phrase for what is in the way.
    fn outcomes() -> [(Outcome, Option<&'static str>); 12] {
        let failed = Outcome::Failed {
            reason: "no price".into(),
            after: None,
        };
        let rejected = Outcome::Rejected {
            reason: "no customer".into(),
            detail: Some("of this one".into()),
        };
        let down = Outcome::Unavailable {
            dependency: Some("smtp".into()),
        };
        [
            (Outcome::Processed, None),
            (Outcome::Duplicate, None),
            (failed, Some("no price")),
            (CONTENDED, Some("contention")),
            (rejected, Some("no customer")),
            (
                Outcome::Undecodable(DecodeError::NoType),
                Some("bare JSON without a message attribute `type`"),
            ),
            (
                Outcome::UnknownType { since: None },
                Some("no handler for the type"),
            ),
            (Outcome::TimedOut, Some("handler timed out")),
            (Outcome::Panicked, Some("handler panicked")),
            (Outcome::Interrupted, Some("shutdown or pause")),
            (Outcome::LeaseLost, Some("the lease was lost")),
            (down, Some("smtp is unavailable")),
        ]
    }

    #[test]
    fn metrics_have_a_label_for_each_outcome_and_no_other() {
        let mut labels: Vec<_> = outcomes()
            .iter()
            .map(|(outcome, _)| outcome.as_str())
            .collect();
        assert_eq!(labels.pop(), Some("unavailable"), "with a dependency too");
        assert_eq!(labels, OUTCOMES);
    }

    #[test]
    fn of_an_outage_of_the_database_the_ledger_blames_no_message() {
        for (dependency, row) in [
            (Some(DATABASE), AttemptOutcome::Released),
            (Some("smtp"), AttemptOutcome::Unavailable),
            (None, AttemptOutcome::Contended),
        ] {
            let dependency = dependency.map(Into::into);
            let outcome = Outcome::Unavailable { dependency };
            let entry = outcome.ledger_entry().map(|(kind, _)| kind);
            assert_eq!(entry, Some(row), "{outcome:?}");
        }
        assert_eq!(Outcome::Processed.ledger_entry(), None);
    }

    #[test]
    fn whatever_is_not_done_has_a_stable_phrase_for_why() {
        for (outcome, phrase) in outcomes() {
            assert_eq!(outcome.reason().as_deref(), phrase, "{outcome:?}");
            assert_eq!(outcome.is_done(), phrase.is_none(), "{outcome:?}");
        }
    }
}
