//! Replays, on SQS over HTTP and on Postgres: what is lost, doubled, or out of order.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

/// A dead-letter queue, its source, and a journal.
mod bench;

/// Each message gets there, whatever happens on the way.
mod journeys;

/// Which messages go, and as what.
mod choices;

/// Order within groups.
mod fifo;

/// Replays that were killed, and replays side by side.
mod others;
