//! `dlq replay` and `dlq replays`, with the real program and real consumers.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test's panic is its report")]

/// A site with dead letters.
mod graveyard;

/// From the plan to the last delete.
mod replays;
