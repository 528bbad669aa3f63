//! The runtime on real parts: the AWS SDK over HTTP against sqs-local, and Postgres.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

mod job;
mod scene;

mod effects;
mod groups;
mod database;
mod acknowledgements;
mod cancelled_handlers;
mod dead_letters;
mod leases;
mod liveness;
mod stuck_sockets;
