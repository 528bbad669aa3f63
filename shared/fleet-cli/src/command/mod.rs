//! The commands, one a file.

pub(crate) mod run;

pub(crate) mod drain;

pub(crate) mod relay;

pub(crate) mod enqueue;

pub(crate) mod queues;

pub(crate) mod top;

pub(crate) mod dlq;

pub(crate) mod doctor;

pub(crate) mod why;

pub(crate) mod outbox;

pub(crate) mod pause;

pub(crate) mod resume;

pub(crate) mod migrate;

pub(crate) mod config;

pub(crate) mod healthcheck;

pub(crate) mod completions;

pub(crate) mod man;
