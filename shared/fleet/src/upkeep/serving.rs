use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::consume::{Progress, Valve, Worker};
use crate::store::ConsumerStanding;

/// One consumer that this process serves, as upkeep sees it.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The consumer.
    pub consumer: &'static str,
    /// The name of its queue.
    pub queue: String,
    /// The most messages in flight.
    pub concurrency: usize,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// What stops its receiving.
    pub valve: Valve,
}

/// How a consumer is doing, from one look to the next.
#[derive(Debug)]
pub(super) struct Meter {
    serving: Serving,
    looked_at: Instant,
    done: u64,
    worked: (u64, Duration),
}

impl Serving {
    /// Describes the consumer of a worker.
    pub fn of(worker: &Worker) -> Self {
        let limits = worker.limits();
        Self {
            consumer: limits.consumer,
            queue: limits.queue.clone(),
            concurrency: limits.concurrency,
            progress: worker.progress(),
            valve: worker.valve(),
        }
    }
}

impl Meter {
    pub(super) fn new(serving: Serving) -> Self {
        Self {
            serving,
            looked_at: Instant::now(),
            done: 0,
            worked: (0, Duration::ZERO),
        }
    }

    /// Tells how the consumer has been doing since the last look.
    pub(super) fn read(&mut self, paused: bool) -> ConsumerStanding {
        let Serving {
            consumer,
            queue,
            concurrency,
            progress,
            valve: _,
        } = &self.serving;
        let snapshot = progress.snapshot();
        let elapsed = self.looked_at.elapsed().max(Duration::from_millis(1));
        let done = snapshot.done - self.done;
        self.looked_at = Instant::now();
        self.done = snapshot.done;
        let before = std::mem::replace(&mut self.worked, progress.worked());
        let reception = progress.reception();
        ConsumerStanding {
            name: (*consumer).to_owned(),
            queue: queue.clone(),
            concurrency: *concurrency,
            in_flight: snapshot.received - snapshot.settled,
            per_second: done as f64 / elapsed.as_secs_f64(),
            p99_ms: progress.take_p99().map(|took| took.as_secs_f64() * 1_000.0),
            mean_ms: mean(before, self.worked).map(|took| took.as_secs_f64() * 1_000.0),
            received_at: reception.map(|reception| reception.at),
            oldest_sent: reception.map(|reception| reception.oldest_sent),
            down: progress.down().into_iter().map(String::from).collect(),
            paused,
        }
    }
}

/// Returns how long a message took on average between two looks.
fn mean(before: (u64, Duration), after: (u64, Duration)) -> Option<Duration> {
    let count = u32::try_from(after.0.saturating_sub(before.0)).ok()?;
    after.1.saturating_sub(before.1).checked_div(count)
}
