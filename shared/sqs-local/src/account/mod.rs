//! All queues of the one account: who they are, how they are reached, who waits on them.

mod address;
mod admission;
mod caller;
mod call;
mod cell;
mod faults;
mod moving;
mod registry;
mod settings;
mod sqs;
mod wait;

pub use self::caller::Caller;
pub(crate) use self::moving::{MoveWish, source_of};
pub use self::settings::{AbandonedReceives, Settings};
pub use self::sqs::Sqs;
