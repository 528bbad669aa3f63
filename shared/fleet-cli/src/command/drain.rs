use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use fleet::consume::Progress;
use fleet::queue::{ClientOptions, Queue, QueueAttributes, Sqs};
use fleet::service::config::ConsumerConfig;
use fleet::service::shutdown::Shutdown;
use tokio::time::{Instant, sleep, timeout_at};

use crate::exit::Exit;
use crate::host::Host;

/// Empty long polls in a row, each followed by counts of 0, that make a queue empty.
///
/// SQS samples its servers: one empty answer proves nothing.
const EMPTY_POLLS: u64 = 3;

/// How often the progress of a consumer is looked at; it costs no request.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// A consumer whose queue is to be emptied.
pub(crate) struct Watched {
    queue: Arc<dyn Queue>,
    progress: Arc<Progress>,
}

/// How close one queue has come to empty.
#[derive(Default)]
struct Emptiness {
    polls_seen: u64,
    polls_confirmed: u64,
}

impl Watched {
    pub(crate) fn new(config: &ConsumerConfig, sqs: &Sqs, progress: Arc<Progress>) -> Self {
        let queue = sqs.queue(config.queue_url.as_str(), ClientOptions::calling());
        Self {
            queue: Arc::new(queue),
            progress,
        }
    }
}

/// Gets ready within the time that a drain has.
///
/// # Errors
///
/// `Partly` when the time is over first, naming what is missing; and those of getting ready.
///
/// # Cancellation
///
/// At the deadline the preparation is dropped; nothing was received yet.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    host: &Host,
    preparing: impl Future<Output = Result<T, Exit>>,
) -> Result<T, Exit> {
    let Some(deadline) = deadline else {
        return preparing.await;
    };
    match timeout_at(deadline, preparing).await {
        Ok(prepared) => prepared,
        Err(_) => {
            let failing = host.health.ready().checks.into_iter();
            let failing: Vec<_> = failing
                .filter_map(|(name, check)| Some(format!("{name}: {}", check.error?)))
                .collect();
            Err(Exit::Partly(anyhow!(
                "not drained in time, since it was not ready: {}",
                failing.join("; ")
            )))
        }
    }
}

/// Waits until every queue is empty.
///
/// # Errors
///
/// `Partly` when the time is over first, `Interrupted` when somebody ends it; both name what remains.
pub(crate) async fn until_empty(
    watched: &[Watched],
    deadline: Option<Instant>,
    shutdown: &Shutdown,
) -> Result<(), Exit> {
    let mut states: Vec<Emptiness> = watched.iter().map(|_| Emptiness::default()).collect();
    loop {
        for (watched, state) in watched.iter().zip(&mut states) {
            state.look(watched).await;
        }
        if states
            .iter()
            .all(|state| state.polls_confirmed >= EMPTY_POLLS)
        {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Exit::Partly(anyhow!(
                "not drained in time: {}",
                remains(watched).await
            )));
        }
        tokio::select! {
            biased;
            () = shutdown.stop_receiving.cancelled() => {
                return Err(Exit::Interrupted(anyhow!(
                    "interrupted before the queues were empty: {}",
                    remains(watched).await
                )));
            }
            () = sleep(LOOK_PERIOD) => {}
        }
    }
}

impl Emptiness {
    /// Confirms each new empty poll by the queue's counts; anything that moves starts anew.
    async fn look(&mut self, watched: &Watched) {
        let before = watched.progress.snapshot();
        if before.empty_receives < self.polls_seen {
            *self = Self::default();
        }
        if before.empty_receives == self.polls_seen {
            return;
        }
        let is_idle = before.received == before.settled && !before.retry_waits;
        let counts = watched.queue.attributes().await;
        let is_empty = counts.is_ok_and(|counts| total(&counts) == 0);
        match is_idle && is_empty {
            true => self.polls_confirmed += 1,
            false => self.polls_confirmed = 0,
        }
        self.polls_seen = before.empty_receives;
    }
}

fn total(counts: &QueueAttributes) -> u64 {
    counts.visible + counts.in_flight + counts.delayed
}

async fn remains(watched: &[Watched]) -> String {
    let mut parts = Vec::new();
    for watched in watched {
        let name = watched.queue.name();
        parts.push(match watched.queue.attributes().await {
            Ok(counts) => format!(
                "{name} has {} waiting, {} in flight, {} delayed",
                counts.visible, counts.in_flight, counts.delayed
            ),
            Err(error) => format!("{name} cannot be asked ({error})"),
        });
    }
    parts.join("; ")
}
