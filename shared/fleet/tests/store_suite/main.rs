//! The store and the relay, on memory and on Postgres.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may unwrap, because its panic is its report; a benchmark prints"
)]

/// Stores to test, and a queue.
mod support;

/// One suite for every store.
mod conformance;

/// What only a real connection can get wrong.
mod postgres;

/// The schema and its migrations.
mod migrations;

/// From the outbox to the queues.
mod relay;

/// What operators have paused.
mod pauses;

/// Rows that wait for a relay or an operator.
mod parked;

/// Everything that is on record of an event.
mod story;

/// What one process at a time may do.
mod leases;

/// What is over.
mod pruning;

/// The row of a process.
mod presence;

/// What is remembered of queues, and who measures them.
mod depths;

/// What went wrong of late.
mod recent;

/// How fast; run by hand.
mod bench;
