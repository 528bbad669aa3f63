//! A runtime for Amazon SQS worker fleets.
#![forbid(unsafe_code)]

// The rooms in reading order; each uses only those above it. The blank lines
// keep the formatter from sorting them.
pub mod service;

pub mod message;

pub mod queue;

pub mod store;

pub mod dead_letter;

pub mod relay;

pub mod consume;

#[cfg(feature = "testing")]
pub mod testing;

pub use consume::{BatchError, BatchHandler, Consumer, Context, Done, Handler, HandlerError, Tx};
pub use message::{Envelope, Event, EventKey, NewEvent};
