//! The seam to SQS: what the fleet asks of a queue, and nothing else.
//!
//! **Invariant:** `sqs` is the only file that names the AWS SDK.

mod error;
mod batch;
mod attributes;
mod bucket;
mod sqs;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::message::{Message, MessageId, Outgoing, Receipt};

pub use attributes::{Encryption, QueueAttributes, RedriveAllow};
pub use batch::split;
pub(crate) use bucket::Bucket;
pub use error::{EntryError, QueueError, QueueErrorKind};
pub use sqs::{ClientOptions, MOVES_PER_SECOND_MAX, MoveTask, Sqs, SqsQueue};

/// The most entries of one batch, and the most messages of one receive.
///
/// Source: SQS API reference, `SendMessageBatch` and `ReceiveMessage`.
pub const BATCH_ENTRIES_MAX: usize = 10;

/// What became of each entry of a batch, in the order of the entries.
pub type Entries<T> = Vec<Result<T, EntryError>>;

/// One SQS queue.
///
/// A batch method answers for each entry: HTTP 200 does not mean that all went
/// well, and the caller has to look.
///
/// # Errors
///
/// Every method fails with a [`QueueError`] when the call as a whole failed.
///
/// # Cancellation
///
/// Dropping a `receive` does not end it at SQS: what it would have brought stays
/// invisible for the visibility timeout. Nobody drops one; see `consume::receiver`.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Returns the queue's name, which is the last part of its URL.
    fn name(&self) -> &str;

    /// Returns the queue's URL.
    fn url(&self) -> &str;

    /// Long-polls for at most `max` messages (1–10), waiting up to `wait` (0–20 s).
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError>;

    /// Sends at most ten messages that together fit into one request.
    async fn send(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError>;

    /// Deletes at most ten messages.
    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError>;

    /// Sets, counted from now, how long each of at most ten messages stays invisible (0–12 h).
    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError>;

    /// Reads the queue's settings and its approximate depths.
    async fn attributes(&self) -> Result<QueueAttributes, QueueError>;

    /// Tells whether the queue keeps order within a message group.
    fn is_fifo(&self) -> bool {
        self.name().ends_with(".fifo")
    }
}

/// Where queues are found by their names.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// Finds a queue, and returns it with a client of its own.
    ///
    /// # Errors
    ///
    /// `NoSuchQueue` when there is none, and the errors of every call.
    async fn find(&self, name: &str) -> Result<Arc<dyn Queue>, QueueError>;
}

/// Returns the name of a queue: the last part of its URL.
pub fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
