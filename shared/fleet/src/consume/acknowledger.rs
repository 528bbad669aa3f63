use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Effort};
use crate::message::Receipt;
use crate::queue::{BATCH_ENTRIES_MAX, Entries, EntryError, Queue, QueueError};
use crate::service::failpoint;
use crate::service::health::Pulse;
use crate::service::metrics::ConsumerMetrics;
use crate::service::retry::{Backoff, Jitter};
use crate::service::traces::Span;

/// How long an acknowledgement waits for others to share its request.
const LINGER: Duration = Duration::from_millis(50);

/// Requests under way at once; the SDK opens a connection for each.
const CALLS_MAX: usize = 16;

/// Acknowledgements that wait for a request. When SQS is down they fill this,
/// then the handlers wait, then the receivers: nothing grows.
pub(super) const QUEUED_MAX: usize = 1_000;

/// The first and the longest pause before a failed acknowledgement is sent again.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// How often the loop shows that it is alive when there is nothing to acknowledge.
const TICK: Duration = Duration::from_secs(1);

/// One message to acknowledge.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) receipt: Receipt,
    pub(super) action: Action,
    /// When the receipt is no longer ours; trying longer is in vain.
    pub(super) until: Instant,
    /// Ends when SQS has answered for it.
    pub(super) span: Span,
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

/// Acknowledgements that wait for company.
#[derive(Default)]
struct Waiting {
    deletes: Batch<Receipt>,
    shows: Batch<(Receipt, Duration)>,
    flush_at: Option<Instant>,
}

impl Acknowledger {
    pub(super) fn new(queue: Arc<dyn Queue>, metrics: ConsumerMetrics, jitter: Jitter) -> Self {
        Self {
            queue,
            metrics,
            jitter,
        }
    }

    /// Serves until the work is over, then sends what is left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves acknowledgements unsent; their messages come
    /// back and are recognised as done.
    pub(super) async fn run(
        self: Arc<Self>,
        acks: &mut mpsc::Receiver<Ack>,
        pulse: &Pulse,
        work_is_over: &CancellationToken,
    ) {
        let mut calls = JoinSet::new();
        let mut waiting = Waiting::default();
        let mut arrived = Vec::with_capacity(BATCH_ENTRIES_MAX);
        loop {
            pulse.tick();
            let may_call = calls.len() < CALLS_MAX;
            let flush_at = waiting.flush_at;
            // The deadline first: a busy channel must not put it off.
            tokio::select! {
                biased;
                () = until(flush_at), if may_call && flush_at.is_some() => {
                    self.flush(&mut waiting, &mut calls);
                }
                Some(ended) = calls.join_next(), if !calls.is_empty() => log_panic(ended),
                count = acks.recv_many(&mut arrived, BATCH_ENTRIES_MAX), if may_call => {
                    if count == 0 {
                        break;
                    }
                    self.metrics.acks.add("requested", count as u64);
                    for ack in arrived.drain(..) {
                        self.join(ack, &mut waiting, &mut calls);
                    }
                }
                () = work_is_over.cancelled(), if !acks.is_closed() => acks.close(),
                () = sleep(TICK) => {}
            }
        }
        self.flush(&mut waiting, &mut calls);
        while !calls.is_empty() {
            pulse.tick();
            tokio::select! {
                biased;
                Some(ended) = calls.join_next() => log_panic(ended),
                () = sleep(TICK) => {}
            }
        }
    }

    /// Lets an acknowledgement wait for company, and sends the batch that it fills.
    fn join(self: &Arc<Self>, ack: Ack, waiting: &mut Waiting, calls: &mut JoinSet<()>) {
        waiting
            .flush_at
            .get_or_insert_with(|| Instant::now() + LINGER);
        let effort = Effort {
            until: ack.until,
            span: ack.span,
        };
        match ack.action {
            Action::Delete => {
                if let Some(full) = waiting.deletes.push(ack.receipt, effort) {
                    calls.spawn(Arc::clone(self).delete(full));
                }
            }
            Action::Show(after) => {
                if let Some(full) = waiting.shows.push((ack.receipt, after), effort) {
                    calls.spawn(Arc::clone(self).show(full));
                }
            }
        }
        if waiting.is_empty() {
            waiting.flush_at = None;
        }
    }

    fn flush(self: &Arc<Self>, waiting: &mut Waiting, calls: &mut JoinSet<()>) {
        let Waiting { deletes, shows, .. } = std::mem::take(waiting);
        if !deletes.entries.is_empty() {
            calls.spawn(Arc::clone(self).delete(deletes));
        }
        if !shows.entries.is_empty() {
            calls.spawn(Arc::clone(self).show(shows));
        }
    }

    /// Deletes until each entry is confirmed, refused, or too late.
    async fn delete(self: Arc<Self>, mut batch: Batch<Receipt>) {
        let mut pauses = self.pauses();
        loop {
            failpoint::reach("ack.deleting");
            let answer = self.queue.delete(&batch.entries).await;
            failpoint::reach("ack.deleted");
            let Some(pause) = self.settle(&mut batch, answer, &mut pauses) else {
                return;
            };
            sleep(pause).await;
        }
    }

    /// Makes messages visible again until each entry is confirmed, refused, or too late.
    async fn show(self: Arc<Self>, mut batch: Batch<(Receipt, Duration)>) {
        let mut pauses = self.pauses();
        loop {
            // After its lease a message may be somebody else's, and would be hidden from them.
            self.give_up_late(&mut batch, Instant::now());
            if batch.entries.is_empty() {
                return;
            }
            failpoint::reach("ack.showing");
            let answer = self.queue.change_visibility(&batch.entries).await;
            failpoint::reach("ack.shown");
            let Some(pause) = self.settle(&mut batch, answer, &mut pauses) else {
                return;
            };
            sleep(pause).await;
        }
    }

    /// Counts each entry's answer and keeps what is worth another try after the returned pause.
    fn settle<T>(
        &self,
        batch: &mut Batch<T>,
        answer: Result<Entries<()>, QueueError>,
        pauses: &mut Backoff,
    ) -> Option<Duration> {
        match answer {
            Ok(entries) => {
                let mut entries = entries.into_iter();
                batch.retain(|effort| self.is_open(entries.next(), effort));
            }
            Err(error) => tracing::warn!(
                queue = self.queue.name(),
                error = &error as &dyn std::error::Error,
                "acknowledgements failed"
            ),
        }
        if batch.entries.is_empty() {
            return None;
        }
        let pause = pauses.next();
        self.give_up_late(batch, Instant::now() + pause);
        (!batch.entries.is_empty()).then_some(pause)
    }

    /// Tells whether an entry is worth another try; SQS did not mention one that has no answer.
    ///
    /// SQS says yes to an old receipt too, and does nothing: after the lease its yes is no proof.
    fn is_open(&self, answer: Option<Result<(), EntryError>>, effort: &mut Effort) -> bool {
        match answer {
            Some(Ok(())) if Instant::now() < effort.until => {
                self.metrics.acks.increment("confirmed");
            }
            Some(Ok(())) => self.is_unconfirmed(effort),
            Some(Err(entry)) if entry.sender_fault || entry.is_lease_lost() => {
                self.metrics.acks.increment("failed");
                effort.span.fail(entry.code.clone());
                let trace = effort.span.context();
                tracing::warn!(
                    queue = self.queue.name(),
                    trace_id = trace.map(|trace| display(trace.trace_id())),
                    code = entry.code,
                    "an acknowledgement was refused"
                );
            }
            Some(Err(_)) | None => return true,
        }
        false
    }

    fn give_up_late<T>(&self, batch: &mut Batch<T>, at: Instant) {
        batch.retain(|effort| {
            let is_in_time = at < effort.until;
            if !is_in_time {
                self.is_unconfirmed(effort);
            }
            is_in_time
        });
    }

    fn is_unconfirmed(&self, effort: &mut Effort) {
        self.metrics.acks.increment("unconfirmed");
        effort.span.fail("unconfirmed");
    }

    fn pauses(&self) -> Backoff {
        Backoff::new(RETRY_PAUSES.0, RETRY_PAUSES.1, self.jitter.clone())
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.deletes.entries.is_empty() && self.shows.entries.is_empty()
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an acknowledgement ended early"
        );
    }
}
