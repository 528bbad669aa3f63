//! What every process of the fleet has: configuration, logs, metrics, health,
//! an orderly end, and retries that never give up.
//!
//! The files stand in reading order; each uses only those above it.

/// Whose signature on a server's certificate counts.
pub mod trust;

/// What the environment says, and everything that is wrong with it.
pub mod config;

/// Where this process runs.
pub mod machine;

/// Where a test may stop it.
pub mod failpoint;

/// Log lines, and a panic hook that writes one.
pub mod telemetry;

/// Every metric: made, described and rendered here.
pub mod metrics;

/// Whether loops turn and dependencies answer, for the probes.
pub mod health;

/// A thread beside the workers, for what must go on when they are busy.
pub mod aside;

/// Where messages come from and what was done with them, for a collector.
pub mod traces;

/// Probes and metrics over HTTP, read-only.
pub mod admin;

/// Two tokens: stop receiving, stop working.
pub mod shutdown;

/// Delays with full jitter from a generator that a test can seed.
pub mod retry;

/// A value that tasks wait on, in order.
pub(crate) mod watch;

/// Loops that are started again, however they end.
pub mod supervise;
