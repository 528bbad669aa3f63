use crate::design::Design;
use crate::verdict::{Outcome, Verdict};

/// A message in the hands of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hand {
    /// Which message it is.
    pub message: usize,
    /// Whether the receive count was above one, so that the history is looked at.
    pub is_again: bool,
    /// Whether the worker's own clock says that the lease is over.
    pub is_late: bool,
    /// The attempts that were on record when it looked.
    pub charged: u32,
    /// How far it is.
    pub step: Step,
}

/// How far a worker is with its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing is known of it yet.
    Received,
    /// Its handler may run.
    Ready,
    /// The transaction is open, with its claim and its effect.
    Open,
    /// The handler's part is over.
    Ended(Outcome),
    /// What is left to do for its settlement.
    Settling(&'static [Act]),
}

/// One act of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Writes the failed attempt down.
    Record,
    /// Sends the copy to the dead-letter queue.
    Copy,
    /// Leaves it to come back.
    Show,
    /// Deletes it.
    Delete,
}

/// What is done when a message is to come back uncharged.
pub const RELEASE: &[Act] = &[Act::Show];

impl Hand {
    /// Takes a message that was just received.
    pub fn new(message: usize, is_again: bool) -> Self {
        Self {
            message,
            is_again,
            is_late: false,
            charged: 0,
            step: Step::Received,
        }
    }

    /// Returns what is done next for its settlement.
    pub fn act(&self) -> Option<Act> {
        match self.step {
            Step::Settling(acts) => acts.first().copied(),
            _ => None,
        }
    }
}

/// Returns what a settlement does, in its order (`consume/settle.rs`, `Station::carry_out`).
///
/// Only a handler's failure is written down: a rejection needs no account, and what was used up
/// before is on record.
pub fn acts(design: Design, verdict: Verdict, outcome: Outcome) -> &'static [Act] {
    let is_on_record = outcome == Outcome::Failed;
    match (verdict, design) {
        (Verdict::Delete, _) => &[Act::Delete],
        (Verdict::Retry, _) => &[Act::Record, Act::Show],
        (Verdict::Release, _) => RELEASE,
        (Verdict::DeadLetter, Design::DeleteBeforeTheCopy) if is_on_record => {
            &[Act::Record, Act::Delete, Act::Copy]
        }
        (Verdict::DeadLetter, Design::DeleteBeforeTheCopy) => &[Act::Delete, Act::Copy],
        (Verdict::DeadLetter, _) if is_on_record => &[Act::Record, Act::Copy, Act::Delete],
        (Verdict::DeadLetter, _) => &[Act::Copy, Act::Delete],
    }
}
