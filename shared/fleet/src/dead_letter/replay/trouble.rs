use crate::queue::QueueError;
use crate::store::StoreError;

/// Why a replay cannot go on. What it holds stays in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum ReplayTrouble {
    /// The dead-letter queue gives no answer, or refuses.
    #[error("the dead-letter queue cannot be read")]
    Source(#[source] QueueError),
    /// The destination takes nothing.
    #[error("the destination takes nothing")]
    Destination(#[source] QueueError),
    /// The journal cannot be written: without it nothing is deleted.
    #[error("the journal cannot be written")]
    Journal(#[source] StoreError),
    /// Too many messages are not meant, and SQS hands out no more at once.
    #[error(
        "{0} messages are held that are not meant, and SQS hands out no more; replay some of them, \
         or purge them, first"
    )]
    TooManyHeld(usize),
}
