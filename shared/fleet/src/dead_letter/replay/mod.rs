//! Back out of a dead-letter queue, so that nothing is lost and nothing doubled.
//!
//! Each message is planned in the journal, sent, marked, deleted, marked, in this order. Who has
//! received it, and whose lease is not over, is the only one to act on it; Postgres remembers how
//! far it is. A replay can be killed anywhere, and any other goes on where it was.

/// Why a replay cannot go on.
mod trouble;

/// What is replayed, from where to where.
mod order;

/// How many there may be, and how fast.
mod budget;

/// Copies of one event at the same moment.
mod under_way;

/// One dead letter on its way.
mod parcel;

/// Tries again within a limit.
mod patience;

/// Sends and deletes until each entry has an answer.
mod dispatch;

/// Plans, sends, marks, deletes, marks.
mod courier;

/// What is received and not settled.
mod held;

/// Which messages go, and what became of them.
mod sorter;

/// From the first receive to the last.
mod run;

pub use courier::{Carried, Courier};
pub use order::{End, Order, Report, Step};
pub use parcel::Parcel;
pub use run::run;
pub use trouble::ReplayTrouble;

use std::time::Duration;

/// How long a message is hidden that is being replayed: a send, a delete, and what the journal
/// needs in between, each with all its retries. After a replay that was killed, so long it takes
/// until its messages are seen again.
pub const LEASE: Duration = Duration::from_secs(120);
