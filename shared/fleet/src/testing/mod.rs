//! Real parts for tests: a Postgres of one's own and a database for each test; and the fake
//! queue, which is sqs-local without its HTTP.

pub mod cluster;

pub mod database;

/// A queue without I/O.
pub mod queue;
