//! Real processes of a fleet, killed while they work, and a checker that says what came of it.
//!
//! One binary in two roles: with `CHAOS_ROLE` it is a process of the fleet, whose command line is
//! that of any program made with `fleet-cli`; without, it is the experiment, which starts such
//! processes, a Postgres and an sqs-local, attacks them, and checks what is left.
#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "an experiment that cannot be carried out ends with the reason"
)]

/// What the processes do.
pub mod ledger;

/// What they would do wrong, were they not ours.
pub mod mutant;

/// What they are.
pub mod role;

mod wire;

mod proxy;

/// The database that fails them.
pub mod postgres;

/// The queues that fail them.
pub mod sqs;
