//! `dlq`: what is in a dead-letter queue, out of it and into it, with the real program.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

mod morgue;
mod normal;

mod reading;
mod showing;
mod looking;
mod terminals;
mod refusals;
mod exporting;
mod purging;
mod importing;
