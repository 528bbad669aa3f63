//! Dead letters: the copy that carries its failure, how to look at it, and the way back.

/// Into the dead-letter queue.
mod copy;

/// Which deaths are the same failure.
mod fingerprint;

/// What is known of one.
mod letter;

/// Out of it again.
mod restore;

/// Changed by hand on the way.
mod amend;

/// Which ones are meant.
mod filter;

/// A look that changes nothing.
mod scan;

/// Back to where they came from, or elsewhere.
pub mod replay;

pub use amend::{Amendment, amend, successor_id};
pub use copy::{DeadLetterCopy, copy};
pub use filter::{Filter, Matcher};
pub use fingerprint::{Fingerprint, NoFingerprint, normalise};
pub use letter::{Death, Origin};
pub use restore::{Destination, Restored, restore};
pub use scan::{Held, Scanned, hold, lease_for, scan};
