use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use tokio_util::sync::CancellationToken;

use crate::message::{Message, MessageId, Receipt};
use crate::queue::{BATCH_ENTRIES_MAX, Queue, QueueError, QueueErrorKind};
use crate::service::retry::{Backoff, Jitter};

/// How many receives are under way at once: at 20 ms a call that is 4,000 messages a second.
const LANES: usize = 8;

/// How long an empty queue is waited for: a long poll asks every server, a short one only some.
const WAIT: Duration = Duration::from_secs(1);

/// How often a call is tried.
const TRIES_MAX: u32 = 6;

/// The ceilings of the pauses between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// The shortest time that messages are hidden for: the look of a person, and some retries.
const LEASE_MIN: Duration = Duration::from_secs(60);

/// The longest: after a look that was killed the messages come back by themselves.
const LEASE_MAX: Duration = Duration::from_secs(900);

/// How many messages a second a slow look gets through.
const SLOW_PER_SEC: u64 = 100;

/// Returns how long the receives of a look through so many messages have to hide them.
///
/// What a look has received must not come again before it has seen the rest.
pub fn lease_for(messages: u64) -> Duration {
    let scanning = Duration::from_secs(messages / SLOW_PER_SEC);
    (LEASE_MIN + scanning).min(LEASE_MAX)
}

/// How a look through a dead-letter queue ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// How many messages were seen, each counted once.
    pub seen: u64,
    /// Whether there was nothing more to be had.
    pub is_complete: bool,
    /// How many messages could not be made visible again, and come back when their time is over.
    pub hidden: u64,
}

/// Looks at up to `limit` messages of a queue and makes them visible again.
///
/// Nothing changes but their receive counts. Each is shown once to `see`, however often SQS hands
/// it out, and is not kept: memory grows by an id and a receipt a message. The receives have to
/// hide messages for [`lease_for`] so many; see `SqsQueue::hiding_for`.
///
/// A cancelled `stop` ends it early: what is under way is waited for, and given back.
///
/// # Errors
///
/// SQS cannot be asked. What was received until then is given back as far as that goes.
///
/// # Cancellation
///
/// Dropping it leaves what it has received hidden until its time is over. Cancel `stop` instead.
pub async fn scan(
    queue: &dyn Queue,
    limit: u64,
    jitter: &Jitter,
    stop: &CancellationToken,
    see: impl FnMut(Message) + Send,
) -> Result<Scanned, QueueError> {
    let held = hold(queue, limit, jitter, stop, see).await?;
    let scanned = held.scanned;
    let hidden = held.give_back(queue, jitter).await;
    Ok(Scanned { hidden, ..scanned })
}

/// What a look has taken out of a queue and not yet given back.
#[derive(Debug, Default)]
pub struct Held {
    /// How the look ended; nothing is hidden for good yet.
    pub scanned: Scanned,
    /// Everything that it has received.
    receipts: HashMap<MessageId, Vec<Receipt>>,
}

impl Held {
    /// Takes messages out of what will be given back, and returns all their receipts: who deletes
    /// a message has to try each, since SQS says yes to an old one, too.
    pub fn take(&mut self, ids: &[MessageId]) -> Vec<(MessageId, Receipt)> {
        let mut taken = Vec::with_capacity(ids.len());
        for id in ids {
            let receipts = self.receipts.remove(id).unwrap_or_default();
            taken.extend(receipts.into_iter().map(|receipt| (id.clone(), receipt)));
        }
        taken
    }

    /// Makes the rest visible again, and returns how many could not be.
    ///
    /// # Cancellation
    ///
    /// What it has not come to stays hidden until its time is over.
    pub async fn give_back(self, queue: &dyn Queue, jitter: &Jitter) -> u64 {
        let receipts = self.receipts.into_values().flatten().collect();
        release(queue, receipts, jitter).await
    }
}

/// Looks at up to `limit` messages of a queue, as [`scan`] does, and keeps them hidden.
///
/// # Errors
///
/// SQS cannot be asked. What was received until then is given back as far as that goes.
///
/// # Cancellation
///
/// As [`scan`].
pub async fn hold(
    queue: &dyn Queue,
    limit: u64,
    jitter: &Jitter,
    stop: &CancellationToken,
    mut see: impl FnMut(Message) + Send,
) -> Result<Held, QueueError> {
    let mut receipts = HashMap::new();
    let received = receive(queue, limit, jitter, stop, &mut receipts, &mut see).await;
    let seen = receipts.len() as u64;
    let mut held = Held {
        scanned: Scanned::default(),
        receipts,
    };
    match received {
        Ok(is_complete) => {
            held.scanned = Scanned {
                seen,
                is_complete,
                hidden: 0,
            };
            Ok(held)
        }
        Err(error) => {
            held.give_back(queue, jitter).await;
            Err(error)
        }
    }
}

/// Receives until there is nothing new, and tells whether that is so.
async fn receive(
    queue: &dyn Queue,
    limit: u64,
    jitter: &Jitter,
    stop: &CancellationToken,
    held: &mut HashMap<MessageId, Vec<Receipt>>,
    see: &mut (impl FnMut(Message) + Send),
) -> Result<bool, QueueError> {
    let mut lanes = FuturesUnordered::new();
    let (mut asked, mut fruitless, mut failed) = (0, 0, None);
    loop {
        let is_over = stop.is_cancelled() || failed.is_some() || fruitless >= LANES;
        // Those that wait already count: what they bring decides whether more are worth it.
        while !is_over && lanes.len() + fruitless < LANES {
            let left = limit.saturating_sub(held.len() as u64 + asked);
            let max = left.min(BATCH_ENTRIES_MAX as u64);
            if max == 0 {
                break;
            }
            asked += max;
            let size = usize::try_from(max).unwrap_or(BATCH_ENTRIES_MAX);
            lanes.push(async move { (max, receive_patiently(queue, size, jitter, stop).await) });
        }
        let Some((max, answer)) = lanes.next().await else {
            break;
        };
        asked -= max;
        let mut has_new = false;
        match answer {
            Ok(messages) => {
                for message in messages {
                    // Only the newest receipt gives it back, and nobody knows which that is:
                    // answers overtake each other.
                    let receipts = held.entry(message.id.clone()).or_default();
                    let is_new = receipts.is_empty();
                    receipts.push(message.receipt.clone());
                    if is_new {
                        has_new = true;
                        see(message);
                    }
                }
            }
            // Who wants to end does not mind what was under way.
            Err(_) if stop.is_cancelled() => {}
            Err(error) => failed = failed.or(Some(error)),
        }
        fruitless = if has_new { 0 } else { fruitless + 1 };
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(!stop.is_cancelled() && fruitless > 0),
    }
}

/// Receives, and tries again what may pass.
pub(super) async fn receive_patiently(
    queue: &dyn Queue,
    max: usize,
    jitter: &Jitter,
    stop: &CancellationToken,
) -> Result<Vec<Message>, QueueError> {
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, jitter.clone());
    for _ in 1..TRIES_MAX {
        match queue.receive(max, WAIT).await {
            Err(error) if may_pass(error.kind) && !stop.is_cancelled() => {
                tokio::time::sleep(backoff.next()).await;
            }
            answer => return answer,
        }
    }
    queue.receive(max, WAIT).await
}

/// Makes messages visible again, and returns how many could not be.
///
/// # Cancellation
///
/// The messages that it has not come to stay hidden until their time is over.
pub(super) async fn release(queue: &dyn Queue, receipts: Vec<Receipt>, jitter: &Jitter) -> u64 {
    let batches = receipts.chunks(BATCH_ENTRIES_MAX).map(|batch| async {
        let mut open: Vec<_> = batch
            .iter()
            .map(|receipt| (receipt.clone(), Duration::ZERO))
            .collect();
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, jitter.clone());
        for attempt in 1..=TRIES_MAX {
            match queue.change_visibility(&open).await {
                Ok(entries) => {
                    // What SQS says is wrong with a receipt will be wrong again, and means that
                    // the message is not hidden by us.
                    let mut entries = entries.into_iter();
                    open.retain(
                        |_| matches!(entries.next(), Some(Err(error)) if !error.sender_fault),
                    );
                }
                Err(error) if !may_pass(error.kind) => break,
                Err(_) => {}
            }
            if open.is_empty() {
                break;
            }
            if attempt < TRIES_MAX {
                tokio::time::sleep(backoff.next()).await;
            }
        }
        open.len() as u64
    });
    stream::iter(batches)
        .buffer_unordered(LANES)
        .fold(0, |sum, hidden| async move { sum + hidden })
        .await
}

/// Tells whether a call may go well when it is tried again.
pub(super) fn may_pass(kind: QueueErrorKind) -> bool {
    matches!(
        kind,
        QueueErrorKind::Unreachable | QueueErrorKind::Throttled | QueueErrorKind::Server
    )
}
