//! What `infra` and `docs/deploy.md` tell a platform agrees with the program and with each other.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

mod certificates;
mod cluster;
mod compose;
mod custom;
mod guide;
mod kubernetes;
mod program;
mod systemd;
mod yaml;
