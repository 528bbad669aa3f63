//! Fleets with one mistake each, of those that consumers of queues are known to make: what the
//! checker says of them shows that it would say it of ours.

mod queue;
mod store;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fleet::consume::{Parts, Queues};
use fleet::queue::Queue;
use fleet::store::Store;

use queue::{Receipts, Slip};
use store::Claims;

/// The variable that says which mistake a process makes.
pub const MUTANT: &str = "CHAOS_MUTANT";

/// A mistake of a fleet, which costs nothing as long as nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Deletes messages when they are received, so that nobody else gets them.
    AcknowledgesFirst,
    /// Commits the claim, and then the effect in a transaction of its own.
    ClaimsApart,
    /// Knows events by the id that SQS gave their message.
    KeysByMessageId,
    /// Relies on messages being delivered once.
    ClaimsNothing,
    /// Deletes a message before its copy in the dead-letter queue is confirmed, so that there never
    /// are two.
    DeletesBeforeCopy,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AcknowledgesFirst,
        Self::ClaimsApart,
        Self::KeysByMessageId,
        Self::ClaimsNothing,
        Self::DeletesBeforeCopy,
    ];

    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcknowledgesFirst => "acknowledge-first",
            Self::ClaimsApart => "claim-apart",
            Self::KeysByMessageId => "key-is-message-id",
            Self::ClaimsNothing => "no-claim",
            Self::DeletesBeforeCopy => "delete-before-copy",
        }
    }

    /// Builds the mistake into a worker.
    pub(crate) fn refit(self, mut parts: Parts) -> Parts {
        let settle = Arc::clone(&parts.queues.settle);
        let Queues {
            receive,
            lease,
            dead_letters,
            ..
        } = &mut parts.queues;
        match self {
            Self::AcknowledgesFirst => {
                slip(receive, Slip::Takes { settle });
                slip(lease, Slip::Imagines);
            }
            Self::ClaimsApart => careless(&mut parts.store, Claims::First),
            Self::KeysByMessageId => slip(receive, Slip::Renames),
            Self::ClaimsNothing => careless(&mut parts.store, Claims::Never),
            Self::DeletesBeforeCopy => {
                let receipts = Arc::<Receipts>::default();
                slip(receive, Slip::Notes(Arc::clone(&receipts)));
                slip(dead_letters, Slip::Buries { settle, receipts });
            }
        }
        parts
    }
}

fn slip(queue: &mut Arc<dyn Queue>, slip: Slip) {
    let inner = Arc::clone(queue);
    *queue = Arc::new(queue::Careless { inner, slip });
}

fn careless(store: &mut Arc<dyn Store>, claims: Claims) {
    *store = Arc::new(store::Careless::new(Arc::clone(store), claims));
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|mutant| mutant.name() == name)
            .ok_or_else(|| format!("there are {}", Self::ALL.map(Self::name).join(", ")))
    }
}
