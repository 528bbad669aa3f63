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

/// What goes less smoothly.
pub mod detour;

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

/// What they say they did, beside what the queues say.
pub mod account;

/// What is sent.
pub mod deal;

/// What the producer knows.
pub mod journal;

/// The SDK.
pub mod client;

/// Who sends.
pub mod producer;

/// Who listens downstream.
pub mod observer;

/// Where the fleet works.
pub mod place;

/// Signals.
pub mod signal;

/// What ends with a run.
pub mod leash;

/// One process, again and again.
pub mod member;

/// All of them.
pub mod crew;

/// Whether the processes counted well.
pub mod audit;

/// What it all cost in deliveries.
pub mod traffic;

/// What is done, to whom and when.
pub mod plan;

/// Who does it.
pub mod nemesis;

/// What was found.
pub mod verdict;

/// Who finds it.
pub mod checker;

/// What the database holds.
pub mod storage;

/// What is dead.
pub mod letters;

/// What comes after a storm.
pub mod calm;

/// What a run is asked for.
pub mod options;

/// On what it ran.
pub mod machine;

/// What it says.
pub mod report;

/// Its story.
pub mod attack;

/// The same story with broken fleets.
pub mod teeth;
