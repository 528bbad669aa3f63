//! The loop: receiver → pool → decode → handler → settle.
//!
//! Read it in the order of the modules. [`decide`](settlement::decide) is the
//! heart: a pure function from what happened to what becomes of the message.

mod acknowledger;
mod breaker;
mod commit_group;
mod context;
mod delivery;
mod dispatch;
mod error;
mod execute;
mod handler;
mod lease;
mod outcome;
mod progress;
mod receiver;
mod report;
mod router;
mod settle;
mod settlement;
mod station;
mod worker;

pub use context::{Context, Done, Tx};
pub use error::{BatchError, HandlerError, Seal};
pub use handler::{BatchHandler, Handler};
pub use lease::{EndedLease, Lease, LeaseLost, Leases};
pub use outcome::Outcome;
pub use progress::{Progress, Snapshot};
pub use router::Consumer;
pub use settlement::{Facts, Settlement, decide};
pub use station::Limits;
pub use worker::{Parts, Queues, Worker};
