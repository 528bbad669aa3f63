//! Sends messages in batches, and looks at the answer for each.

use fleet::message::Outgoing;
use fleet::queue::{self, Queue, QueueError, QueueErrorKind};
use fleet::service::retry::{Backoff, Jitter};
use futures_util::future::join_all;
use std::time::Duration;

/// How many messages are worth gathering: eight full batches, which are sent side by side.
pub(crate) const TOGETHER_MAX: usize = 80;

/// How often a batch is sent before its messages count as failed.
const TRIES_MAX: u32 = 6;

/// The ceilings of the pauses between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// What became of one message.
pub(crate) type Sent = Result<(), String>;

/// The queue is not there, or not any more.
pub(crate) struct NoQueue;

/// Sends to one queue.
pub(crate) struct Sender<'a> {
    queue: &'a dyn Queue,
    jitter: Jitter,
}

impl<'a> Sender<'a> {
    pub(crate) fn to(queue: &'a dyn Queue) -> Self {
        Self {
            queue,
            jitter: Jitter::from_entropy(),
        }
    }

    /// Sends messages until each is taken, refused, or has failed too often.
    pub(crate) async fn send(&self, messages: &[Outgoing]) -> Result<Vec<Sent>, NoQueue> {
        let batches = queue::split(messages);
        let calls = batches
            .iter()
            .map(|batch| self.send_batch(&messages[batch.clone()]));
        let answers: Result<Vec<_>, _> = join_all(calls).await.into_iter().collect();
        Ok(answers?.into_iter().flatten().collect())
    }

    async fn send_batch(&self, messages: &[Outgoing]) -> Result<Vec<Sent>, NoQueue> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone());
        let mut answers: Vec<Sent> = vec![Err(String::new()); messages.len()];
        let mut open: Vec<usize> = (0..messages.len()).collect();
        for attempt in 1..=TRIES_MAX {
            let batch: Vec<_> = open.iter().map(|index| messages[*index].clone()).collect();
            match self.queue.send(&batch).await {
                Ok(entries) => {
                    let tried = std::mem::take(&mut open);
                    for (index, entry) in tried.into_iter().zip(entries) {
                        answers[index] = entry.map(drop).map_err(|error| {
                            if !error.sender_fault {
                                open.push(index);
                            }
                            format!("was refused by SQS ({})", error.code)
                        });
                    }
                }
                Err(error) if error.kind == QueueErrorKind::NoSuchQueue => return Err(NoQueue),
                Err(error) => {
                    let is_passing = is_passing(&error);
                    let problem = format!("was not sent: {:#}", anyhow::Error::new(error));
                    for index in &open {
                        answers[*index] = Err(problem.clone());
                    }
                    if !is_passing {
                        break;
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            if attempt < TRIES_MAX {
                tokio::time::sleep(backoff.next()).await;
            }
        }
        Ok(answers)
    }
}

fn is_passing(error: &QueueError) -> bool {
    matches!(
        error.kind,
        QueueErrorKind::Unreachable | QueueErrorKind::Throttled | QueueErrorKind::Server
    )
}
