//! The loop: receiver → pool → decode → handler → settle.
//!
//! Read it in the order of the modules. [`decide`] is the heart:
//! a pure function from what happened to what becomes of the message.

/// The time of day.
mod clock;

/// What went wrong in a handler.
mod error;

/// What a handler gets, and what it gives back.
mod context;

/// What a team writes.
mod handler;

/// What came of a delivery.
mod outcome;

/// What becomes of its message.
mod settlement;

/// The bounded concurrency.
mod pool;

/// The bytes of their bodies.
mod budget;

/// Which messages are ours.
mod lease;

/// How long things take.
mod latencies;

/// How far it all has come.
mod progress;

/// The operators' pause.
mod valve;

/// What receives did not end well.
mod ledger;

/// What stands still.
mod halted;

/// Those that may have taken a process along.
mod suspects;

/// What is down.
mod outages;

/// Whether to receive at all.
mod breaker;

/// Who finds out what is back.
mod probe;

/// The look at the database.
mod lookout;

/// Which types of events get done.
mod successes;

/// Acknowledgements that share a request.
mod batch;

/// Deletes and releases, in batches.
mod acknowledger;

/// What all deliveries share.
mod station;

/// One message in our hands.
mod delivery;

/// What was learnt about it.
mod seen;

/// Its line in the log.
mod report;

/// Its copy, when it is dead.
mod burial;

/// Its end.
mod settle;

/// Where its handler stands.
mod lane;

/// Its wait for what is down.
mod waiting;

/// The end of its transaction.
mod commit;

/// Its way from decode to outcome.
mod execute;

/// Many that share a transaction.
mod group;

/// Their way from decode to the committer.
mod admission;

/// Their way from there to the commit.
mod commit_group;

/// The consumers and their handlers.
mod router;

/// What a handler would do.
mod rehearse;

/// One after another.
mod serial;

/// A task for each message.
mod dispatch;

/// How many long polls at once.
mod pace;

/// What a receive brings.
mod receiver;

/// The long polls.
mod polling;

/// What runs as long as the worker does.
mod loops;

/// All of it together.
mod worker;

pub use clock::Clock;
pub use context::{Context, Done, Tx};
pub use error::{BatchError, HandlerError, Seal};
pub use handler::{BatchHandler, Handler};
pub use lease::{EndedLease, Lease, LeaseLost, Leases};
pub use outcome::Outcome;
pub use progress::{Progress, Reception, Snapshot};
pub use rehearse::{Rehearsal, RehearsalError};
pub use router::Consumer;
pub use settlement::{Facts, Settlement, decide};
pub use station::Limits;
pub use suspects::Quarantine;
pub use valve::Valve;
pub use worker::{Parts, Queues, Worker};
