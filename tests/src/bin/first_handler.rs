//! The first handler of README.md, word for word; `tests/readme.rs` runs it.

include!(concat!(env!("OUT_DIR"), "/first_handler.rs"));
