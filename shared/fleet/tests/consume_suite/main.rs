//! The loop on the paused clock: sqs-local without its HTTP, the store in memory, no I/O.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

/// A worker with everything around it.
mod stage;

/// A queue that fails on demand.
mod meddler;

/// What becomes of one message, by what its handler does.
mod outcomes;

/// What is no event, and what nobody knows.
mod strangers;

/// Dependencies that go down and come back.
mod outages;

/// Messages that are kept until what they need is back.
mod probes;

/// What the operators stop.
mod pauses;

/// Messages that take long.
mod leases;

/// How much is taken at once.
mod flow;

/// How much is taken in a time, and of which size.
mod flow_limits;

/// The end.
mod shutdown;

/// Deletes and releases.
mod acknowledgements;

/// Groups that keep their order.
mod fifo;

/// Everything at once.
mod storms;

/// What no process survived.
mod suspects;

/// What is logged and counted.
mod records;

/// What messages cannot do to the metrics.
mod series;

/// Many events in one transaction.
mod batches;
