//! The state machine of one queue: no clock, no runtime, no network.
//!
//! Every function that depends on time takes it as an argument. What becomes due between two
//! calls is caught up with in the order in which it would have happened, so a queue that was
//! not looked at for an hour is in the same state as one that was.

mod attempts;
mod attribute;
mod attributes;
mod deduplication;
mod duplicate;
mod groups;
mod moves;
mod name;
mod poll;
mod ready;
mod receipt;
mod receive;
mod redrive;
mod send;
mod settle;
mod slab;
mod state;
mod tags;

pub use self::attribute::QueueAttribute;
pub(crate) use self::attributes::QueueAttributes;
pub(crate) use self::moves::{MoveStatus, MoveTask, Moved};
pub use self::name::QueueName;
pub(crate) use self::poll::Ticket;
pub use self::receipt::ReceiptHandle;
pub(crate) use self::receive::{Delivery, Received, Take};
pub(crate) use self::send::Sent;
pub(crate) use self::settle::visibility;
pub(crate) use self::state::Queue;
pub(crate) use self::tags::Tags;

#[cfg(test)]
mod tests;
