//! `dlq replay` and `dlq replays`, with the real program and real consumers.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test's panic is its report")]

/// A site with dead letters.
mod graveyard;

/// What is said before.
mod plans;

/// What is refused, and with which words.
mod refusals;

/// From the plan to the last delete.
mod replays;

/// A few first.
mod canaries;

/// Stopped half-way, and gone on with.
mod stops;

/// Killed at every step, and gone on with.
mod kills;

/// SQS's own move task.
mod native;

/// With a person at the terminal.
mod terminal;
