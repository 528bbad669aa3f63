//! The store and the relay, on memory and on Postgres.
#![cfg(feature = "testing")]

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
