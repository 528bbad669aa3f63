//! Leases: which messages are ours, and until when.

/// The state machine.
mod book;

/// The loop that extends leases.
mod keeper;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::book::{Book, Taken};
use crate::message::{Message, Receipt};
use crate::service::metrics::ConsumerMetrics;

/// The leases of one consumer.
///
/// A long handler keeps its message by extensions at half of the visibility
/// timeout. They run on a thread of their own, so that a handler which blocks
/// its thread loses no lease.
pub struct Leases {
    visibility: Duration,
    metrics: ConsumerMetrics,
    book: Mutex<Book>,
    /// Something falls due before the keeper looks again.
    earlier: Notify,
    /// An extension that somebody may wait for has ended.
    settled: Notify,
}

/// One message that is ours until the lease ends or is lost.
///
/// Dropping it forgets the message; SQS hands it out again when the visibility
/// timeout has passed.
pub struct Lease {
    number: u64,
    leases: Arc<Leases>,
    lost: oneshot::Receiver<()>,
}

/// What is left of a lease that ended in order.
#[derive(Debug)]
pub struct EndedLease {
    /// The newest receipt of the message.
    pub receipt: Receipt,
    /// Until when the receipt is good.
    pub deadline: Instant,
    /// SQS's receive count at the last receive of the message that the lease absorbed.
    pub receive_last: u32,
}

/// The message belongs to somebody else now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost")]
pub struct LeaseLost;

impl Leases {
    /// Makes an empty set for a queue of this visibility timeout.
    pub fn new(visibility: Duration, metrics: ConsumerMetrics) -> Arc<Self> {
        Arc::new(Self {
            visibility,
            metrics,
            book: Mutex::new(Book::new(visibility)),
            earlier: Notify::new(),
            settled: Notify::new(),
        })
    }

    /// Takes a message under lease; the clock runs since its receive was sent.
    ///
    /// A message that is being worked on already only hands over its newer
    /// receipt, and there is no second lease.
    pub fn hold(self: &Arc<Self>, message: &Message, sent: Instant) -> Option<Lease> {
        let mut book = self.lock();
        let Taken::Leased(number, lost) = book.take(message, sent) else {
            return None;
        };
        let is_urgent = book.is_urgent();
        drop(book);
        if is_urgent {
            self.earlier.notify_one();
        }
        Some(Lease {
            number,
            leases: Arc::clone(self),
            lost,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Completes when the lease is lost.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by it; a later call goes on waiting.
    ///
    /// # Panics
    ///
    /// When it is called again after it has completed.
    pub async fn lost(&mut self) {
        // Whoever loses a lease drops the sender; nothing is ever sent.
        let _ = (&mut self.lost).await;
    }

    /// Lets the lease run out when it is still held at this time: extensions are bounded.
    pub fn keep_until(&self, until: Instant) {
        self.leases.lock().keep_until(self.number, until);
    }

    /// Makes sure that at least half of the visibility timeout is left: waits for an extension if not.
    ///
    /// It asks for none by itself. With less than half left one is due or under way,
    /// or waits for the pause after a failed one, and SQS is not to be asked more
    /// often by all who are in a hurry.
    ///
    /// # Errors
    ///
    /// The lease was lost meanwhile.
    ///
    /// # Cancellation
    ///
    /// The extensions go on.
    pub async fn confirm(&self) -> Result<(), LeaseLost> {
        let is_long = || self.leases.lock().confirm(self.number, Instant::now());
        while !is_long()? {
            let settled = self.leases.settled.notified();
            tokio::pin!(settled);
            // What ends between the look and the wait is not missed.
            settled.as_mut().enable();
            if is_long()? {
                break;
            }
            settled.await;
        }
        Ok(())
    }

    /// Ends the lease and returns the newest receipt, for the settlement.
    ///
    /// An extension under way is waited for, because it would undo a
    /// settlement; it takes five seconds at most.
    ///
    /// # Errors
    ///
    /// The lease was lost: the message belongs to somebody else.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the lease.
    pub async fn end(self) -> Result<EndedLease, LeaseLost> {
        loop {
            if let Some(ended) = self.leases.lock().end(self.number)? {
                return Ok(ended);
            }
            let settled = self.leases.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if let Some(ended) = self.leases.lock().end(self.number)? {
                return Ok(ended);
            }
            settled.await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.lock().drop_lease(self.number);
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("held", &self.lock().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
