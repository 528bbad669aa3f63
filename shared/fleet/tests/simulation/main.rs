//! The runtime in a world where everything goes wrong, and one seed decides what.
//!
//! Each seed is a story: some processes of a fleet, on the paused clock and
//! without any I/O, work off some messages while calls fail, answers get lost,
//! dependencies go down and processes die at any await. Then it gets calm, and
//! everything must have come to its end exactly once. What must never be is
//! checked at every step. The same seed tells the same story, byte for byte:
//! `make simulate SEED=7` replays one.
#![cfg(feature = "testing")]
#![allow(
    clippy::print_stderr,
    reason = "the replayed seed's log is what it is for"
)]

/// What a seed draws.
mod chance;

/// What it decides beforehand.
mod plan;

/// What happened.
mod chronicle;

/// What should have.
mod truth;

/// What all share.
mod world;

/// Who can die.
mod process;

/// What is asked of a queue.
mod request;

/// The way to it.
mod queue;

/// The way to the database.
mod store;

/// The work.
mod handlers;

/// Queue and database themselves.
mod surroundings;

/// A worker that was started.
mod member;

/// From the beginning to the end.
mod story;

/// Many seeds.
mod seeds;

/// Mistakes that are found.
mod teeth;
