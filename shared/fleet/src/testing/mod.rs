//! Real parts for tests: a Postgres of one's own and a database for each test.

pub mod cluster;

pub mod database;
