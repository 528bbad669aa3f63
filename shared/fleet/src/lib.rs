//! A runtime for Amazon SQS worker fleets.
#![forbid(unsafe_code)]

pub mod message;
pub mod queue;

pub use message::{Envelope, Event, EventKey, NewEvent};
