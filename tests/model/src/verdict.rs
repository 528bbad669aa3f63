use std::time::Duration;

use fleet::consume::{Facts, Outcome as Told, Settlement, decide};
use fleet::service::retry::Jitter;
use jiff::Timestamp;

use crate::limits::ATTEMPTS_MAX;

/// What came of a delivery: those outcomes whose settlements differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The effect is committed.
    Processed,
    /// The inbox has its claim.
    Duplicate,
    /// The handler failed.
    Failed,
    /// Its attempts were used up before.
    UsedUp,
    /// The handler said that no retry can help.
    Rejected,
    /// The commit had no answer.
    Unavailable,
}

/// What becomes of its message, as the runtime's own `decide` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is deleted.
    Delete,
    /// It comes back, and an attempt is charged.
    Retry,
    /// It comes back.
    Release,
    /// It is copied, then deleted.
    DeadLetter,
}

/// Asks `consume/settlement.rs` what becomes of a message.
///
/// # Panics
///
/// `decide` says what this model does not know.
pub fn verdict(outcome: Outcome, charged: u32) -> Verdict {
    let facts = Facts {
        charged,
        crashes: 0,
        attempts_max: ATTEMPTS_MAX,
        receives: 1,
        held_for: Duration::ZERO,
        unknown_type_grace: Duration::ZERO,
        group_policy: None,
        now: Timestamp::UNIX_EPOCH,
    };
    match decide(&told(outcome), &facts, &Jitter::seeded(0)) {
        Settlement::Delete => Verdict::Delete,
        Settlement::Retry { .. } => Verdict::Retry,
        Settlement::Release { .. } => Verdict::Release,
        Settlement::DeadLetter { .. } => Verdict::DeadLetter,
        other @ (Settlement::Halt { .. } | Settlement::Abandon) => {
            panic!("{outcome:?} of a standard queue is settled as {other:?}")
        }
    }
}

fn told(outcome: Outcome) -> Told {
    match outcome {
        Outcome::Processed => Told::Processed,
        Outcome::Duplicate => Told::Duplicate,
        Outcome::Failed | Outcome::UsedUp => Told::Failed {
            reason: "it failed".into(),
            after: None,
        },
        Outcome::Rejected => Told::Rejected {
            reason: "it is wrong".into(),
            detail: None,
        },
        Outcome::Unavailable => Told::Unavailable {
            dependency: Some("database".into()),
        },
    }
}
