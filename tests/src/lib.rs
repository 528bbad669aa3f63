//! What the tests of the programs share: the real binaries, and a place for them to work in.
#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a test's panic is its report"
)]

pub mod patience;

pub mod plain;

pub mod form;

pub mod dice;

pub mod programs;

pub mod dockerfile;

pub mod process;

pub mod terminal;

pub mod probe;

pub mod cpu;

pub mod gate;

pub mod pooler;

pub mod authority;

pub mod remote;

pub mod post_office;

pub mod sockets;

pub mod mailbox;

pub mod load;

pub mod books;

pub mod collector;

pub mod site;

pub mod workshop;

pub mod graves;

pub mod prometheus;
