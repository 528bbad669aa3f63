//! Deletes what a look has kept hidden.

use std::time::Duration;

use fleet::message::{MessageId, Receipt};
use fleet::queue::{BATCH_ENTRIES_MAX, Queue};
use fleet::service::retry::{Backoff, Jitter};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::look::Hidden;
use crate::interrupt::Interrupt;
use crate::progress::Bar;

/// How many messages are deleted side by side: eight batches.
const TOGETHER_MAX: usize = 8 * BATCH_ENTRIES_MAX;

/// How often a batch is tried.
const TRIES_MAX: u32 = 6;

/// The ceilings of the pauses between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// What became of messages that were to be deleted.
#[derive(Default)]
pub(super) struct Removed {
    pub(super) deleted: u64,
    /// Those of which SQS did not say that they are gone, and why.
    pub(super) failed: Vec<(MessageId, String)>,
    /// Whether the lease ran out before the last one.
    pub(super) is_late: bool,
}

/// Deletes messages, and gives everything else back that is hidden.
///
/// It ends early when it is interrupted, or when the messages may be somebody else's.
pub(super) async fn remove(
    mut hidden: Hidden,
    ids: &[MessageId],
    jitter: &Jitter,
    interrupt: &Interrupt,
    bar: &Bar,
) -> Removed {
    let mut removed = Removed::default();
    for ids in ids.chunks(TOGETHER_MAX) {
        removed.is_late = Instant::now() >= hidden.until;
        if interrupt.is_requested() || removed.is_late {
            break;
        }
        let entries = hidden.held.take(ids);
        let batches = entries.chunks(BATCH_ENTRIES_MAX);
        let calls = batches.map(|batch| delete(&hidden.queue, batch.to_vec(), jitter));
        let mut failed: Vec<_> = join_all(calls).await.into_iter().flatten().collect();
        failed.sort();
        failed.dedup_by(|a, b| a.0 == b.0);
        let deleted = (ids.len() - failed.len()) as u64;
        removed.deleted += deleted;
        bar.advance(deleted);
        removed.failed.extend(failed);
    }
    hidden.held.give_back(&hidden.queue, jitter).await;
    removed
}

/// Deletes one batch and returns those that are not gone, with the reason.
async fn delete(
    queue: &dyn Queue,
    mut open: Vec<(MessageId, Receipt)>,
    jitter: &Jitter,
) -> Vec<(MessageId, String)> {
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, jitter.clone());
    let mut failed = Vec::new();
    for attempt in 1..=TRIES_MAX {
        let receipts: Vec<_> = open.iter().map(|(_, receipt)| receipt.clone()).collect();
        let problem = match queue.delete(&receipts).await {
            Ok(entries) => {
                let tried = std::mem::take(&mut open);
                for (entry, answer) in tried.into_iter().zip(entries) {
                    match answer {
                        Ok(()) => {}
                        Err(error) if error.sender_fault => failed.push((entry.0, error.code)),
                        Err(_) => open.push(entry),
                    }
                }
                "SQS could not delete it".to_owned()
            }
            Err(error) => error.to_string(),
        };
        if open.is_empty() {
            break;
        }
        if attempt == TRIES_MAX {
            let rest = open.drain(..);
            failed.extend(rest.map(|(id, _)| (id, problem.clone())));
            break;
        }
        tokio::time::sleep(backoff.next()).await;
    }
    failed
}
