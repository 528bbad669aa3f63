use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Leases;
use super::book::{Extended, Extension};
use crate::queue::{Entries, EntryError, Queue, QueueError};
use crate::service::failpoint;
use crate::service::health::Pulse;

/// Extensions under way at once: enough for 2,000 leases a second at 25 ms a call.
const CALLS_MAX: usize = 8;

/// How long a call may take. Visibility timeouts are at least 10 s, and half of
/// one is left when an extension falls due: a hung call ends before the lease does.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the keeper shows that it is alive when nothing is due.
const TICK: Duration = Duration::from_secs(1);

impl Leases {
    /// Extends leases as they fall due, until told to stop.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the extensions; the leases run out by themselves.
    pub async fn keep(&self, queue: &dyn Queue, pulse: &Pulse, stop: &CancellationToken) {
        // Of a run that ended early nobody hears any more how its calls went.
        self.lock().forget_calls(Instant::now());
        let mut calls = FuturesUnordered::new();
        loop {
            pulse.tick();
            let look = self
                .lock()
                .look(Instant::now(), calls.len() < CALLS_MAX, TICK);
            self.metrics.leases_lost.increment(look.lost);
            if look.lost > 0 {
                self.settled.notify_waiters();
            }
            if !look.batch.is_empty() {
                calls.push(self.extend(queue, look.batch));
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(()) = calls.next(), if !calls.is_empty() => {}
                () = sleep_until(look.next) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Sends one call and notes what each entry came to.
    async fn extend(&self, queue: &dyn Queue, batch: Vec<Extension>) {
        let sent = Instant::now();
        let changes: Vec<_> = batch
            .iter()
            .map(|extension| (extension.receipt.clone(), self.visibility))
            .collect();
        failpoint::reach("lease.extending");
        let answer = timeout(CALL_TIMEOUT, queue.change_visibility(&changes)).await;
        failpoint::reach("lease.extended");
        let deadline = sent + self.visibility;
        let (mut extended, mut failed, mut lost) = (0, 0, 0);
        let now = Instant::now();
        let mut book = self.lock();
        for (index, extension) in batch.iter().enumerate() {
            let end = match answer.as_ref().map(|answer| entry(answer, index)) {
                Ok(Some(Ok(()))) => Extended::Until(deadline),
                Ok(Some(Err(error))) if error.is_lease_lost() => Extended::Lost,
                Ok(_) | Err(_) => Extended::Failed,
            };
            match end {
                Extended::Until(_) => extended += 1,
                Extended::Failed => failed += 1,
                Extended::Lost => {}
            }
            lost += u64::from(book.extended(extension, end, now));
        }
        drop(book);
        self.settled.notify_waiters();
        self.metrics.lease_extensions.add("extended", extended);
        self.metrics.lease_extensions.add("failed", failed);
        self.metrics.leases_lost.increment(lost);
        match answer {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(
                queue = queue.name(),
                error = &error as &dyn std::error::Error,
                "leases were not extended"
            ),
            Err(_) => tracing::warn!(queue = queue.name(), "SQS did not say whether it extended"),
        }
    }
}

fn entry(
    answer: &Result<Entries<()>, QueueError>,
    index: usize,
) -> Option<&Result<(), EntryError>> {
    answer.as_ref().ok().and_then(|entries| entries.get(index))
}
