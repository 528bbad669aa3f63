use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::message::Receipt;
use crate::queue::{BATCH_ENTRIES_MAX, Entries, Queue, QueueError};
use crate::service::metrics::ConsumerMetrics;
use crate::service::retry::{Backoff, Jitter};

/// How long an acknowledgement waits for others to share its request.
const LINGER: Duration = Duration::from_millis(50);

/// Requests under way at once; the SDK opens a connection for each.
const CALLS_MAX: usize = 16;

/// Acknowledgements that wait for a request. When SQS is down they fill this,
/// then the handlers wait, then the receivers: nothing grows.
pub(super) const QUEUED_MAX: usize = 1_000;

/// The first and the longest pause before a failed acknowledgement is sent again.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// One message to acknowledge.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) receipt: Receipt,
    pub(super) action: Action,
    /// When the receipt is no longer ours; trying longer is in vain.
    pub(super) until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Delete,
    /// Makes the message visible again after this time.
    Show(Duration),
}

/// Sends acknowledgements in batches of ten, and sees to each entry's answer.
pub(super) struct Acknowledger {
    queue: Arc<dyn Queue>,
    metrics: ConsumerMetrics,
    jitter: Jitter,
}

impl Acknowledger {
    pub(super) fn new(queue: Arc<dyn Queue>, metrics: ConsumerMetrics, jitter: Jitter) -> Self {
        Self {
            queue,
            metrics,
            jitter,
        }
    }

    /// Serves until every sender is gone, then sends what is left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves acknowledgements unsent; their messages come
    /// back and are recognised as done.
    pub(super) async fn run(self, mut acks: mpsc::Receiver<Ack>) {
        let acknowledger = Arc::new(self);
        let mut calls = JoinSet::new();
        let (mut deletes, mut shows) = (Vec::new(), Vec::new());
        let mut flush_at = None;
        loop {
            let may_call = calls.len() < CALLS_MAX;
            tokio::select! {
                biased;
                ack = acks.recv(), if may_call => {
                    let Some(ack) = ack else { break };
                    acknowledger.metrics.acks.increment("requested");
                    flush_at.get_or_insert_with(|| Instant::now() + LINGER);
                    let batch = match ack.action {
                        Action::Delete => &mut deletes,
                        Action::Show(_) => &mut shows,
                    };
                    batch.push(ack);
                    if batch.len() == BATCH_ENTRIES_MAX {
                        calls.spawn(Arc::clone(&acknowledger).call(std::mem::take(batch)));
                    }
                }
                () = until(flush_at), if may_call && flush_at.is_some() => {
                    flush_at = None;
                    for batch in [&mut deletes, &mut shows] {
                        if !batch.is_empty() {
                            calls.spawn(Arc::clone(&acknowledger).call(std::mem::take(batch)));
                        }
                    }
                }
                Some(ended) = calls.join_next(), if !calls.is_empty() => log_panic(ended),
            }
            if deletes.is_empty() && shows.is_empty() {
                flush_at = None;
            }
        }
        for batch in [deletes, shows] {
            if !batch.is_empty() {
                calls.spawn(Arc::clone(&acknowledger).call(batch));
            }
        }
        while let Some(ended) = calls.join_next().await {
            log_panic(ended);
        }
    }

    /// Sends one batch until each entry is confirmed, refused, or too late.
    async fn call(self: Arc<Self>, mut batch: Vec<Ack>) {
        let mut backoff = Backoff::new(RETRY_PAUSES.0, RETRY_PAUSES.1, self.jitter.clone());
        loop {
            let answer = self.send(&batch).await;
            batch = self.unsettled(batch, &answer);
            if batch.is_empty() {
                return;
            }
            let pause = backoff.next();
            let late = Instant::now() + pause;
            batch.retain(|ack| {
                let in_time = late < ack.until;
                if !in_time {
                    self.metrics.acks.increment("unconfirmed");
                }
                in_time
            });
            if let Err(error) = answer {
                tracing::warn!(
                    queue = self.queue.name(),
                    error = &error as &dyn std::error::Error,
                    "acknowledgements failed"
                );
            }
            if batch.is_empty() {
                return;
            }
            sleep(pause).await;
        }
    }

    async fn send(&self, batch: &[Ack]) -> Result<Entries<()>, QueueError> {
        let receipts = || batch.iter().map(|ack| ack.receipt.clone());
        match batch.first().map(|ack| ack.action) {
            Some(Action::Show(_)) => {
                let times = batch.iter().map(|ack| match ack.action {
                    Action::Show(after) => after,
                    Action::Delete => Duration::ZERO,
                });
                self.queue
                    .change_visibility(&receipts().zip(times).collect::<Vec<_>>())
                    .await
            }
            _ => self.queue.delete(&receipts().collect::<Vec<_>>()).await,
        }
    }

    /// Keeps the entries that are worth another try and counts the others.
    fn unsettled(&self, batch: Vec<Ack>, answer: &Result<Entries<()>, QueueError>) -> Vec<Ack> {
        let Ok(entries) = answer else { return batch };
        let mut entries = entries.iter();
        batch
            .into_iter()
            .filter(|_| match entries.next() {
                Some(Ok(())) => {
                    self.metrics.acks.increment("confirmed");
                    false
                }
                Some(Err(entry)) if entry.sender_fault || entry.is_lease_lost() => {
                    tracing::warn!(
                        queue = self.queue.name(),
                        code = entry.code,
                        "an acknowledgement was refused"
                    );
                    self.metrics.acks.increment("failed");
                    false
                }
                Some(Err(_)) | None => true,
            })
            .collect()
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an acknowledgement ended early"
        );
    }
}
