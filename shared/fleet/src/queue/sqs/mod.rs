//! SQS itself, through the AWS SDK: the only folder that names it.

/// What may leave this machine.
mod encrypted;

/// What SQS and the SDK say, without the request.
mod said;

/// Calls: counted, and their errors classified.
mod call;

/// The SDK's types and ours.
mod convert;

/// Receives whose answer was lost.
mod attempts;

/// One queue.
mod handle;

/// What time SQS thinks it is.
mod clock;

/// Credentials, region, endpoint, clients.
mod account;

/// Move tasks of SQS's own.
mod moves;

pub use account::{ClientOptions, Sqs};
pub use handle::SqsQueue;
pub use moves::{MOVES_PER_SECOND_MAX, MoveTask};
