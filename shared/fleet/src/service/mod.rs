//! What every process of the fleet has: configuration, logs, metrics, health,
//! an orderly end, and retries that never give up.
//!
//! The files stand in reading order; each uses only those above it.

pub mod config;
