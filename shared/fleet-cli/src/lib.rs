//! The command line of an SQS worker fleet.
//!
//! A program registers its consumers in an [`App`] and has `run`, `relay`, `dev`, `enqueue`,
//! `queues`, `top`, `doctor`, `dlq`, `why`, `outbox`, `pause`, `resume`, `migrate`, `config`,
//! `healthcheck`, `completions` and `man` without writing them.
#![forbid(unsafe_code)]

mod exit;

mod output;

mod shell;

mod json_text;

mod json_path;

mod progress;

mod interrupt;

mod prompt;

mod lines;

mod sending;

mod intake;

mod address;

mod settings;

mod database;

mod operator;

mod survey;

mod muster;

mod cli;

mod host;

mod said;

mod lookup;

mod crew;

mod presence;

mod command;

#[cfg(feature = "dev")]
mod dev;

mod app;

pub use app::App;
pub use intake::{Intake, Placement, Tally};
