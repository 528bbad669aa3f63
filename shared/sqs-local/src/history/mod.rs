//! What happened: every call, in the order in which they ended, never a body or an attribute.
//!
//! It is off until [`Sqs::keep_history`](crate::Sqs::keep_history), and bounded by nothing but
//! memory from then on: about 200 bytes a call, and 150 for each message of it. Where only the
//! counts are kept, by [`Sqs::keep_counts`](crate::Sqs::keep_counts), it stays small. A checker
//! compares what processes count, each with an access key of its own, with what is here: what the
//! server did and what it answered can differ, by a fault, and a [`Record`] has both.

mod count;
mod journal;
mod record;

pub use self::count::Count;
pub use self::journal::{History, Keep};
pub use self::record::{Entry, Record};
