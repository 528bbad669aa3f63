//! Dead letters: the copy that carries its failure, and the way back.

/// Into the dead-letter queue.
mod copy;

/// Out of it again.
mod restore;

pub use copy::{DeadLetterCopy, copy};
pub use restore::{Destination, Restored, restore};
