//! From the outbox to the queues.
//!
//! Each destination has a loop of its own: claim rows, send them in batches,
//! mark what SQS confirmed. A queue that is gone or throttled delays its own
//! rows and nobody else's. Any number of relays may run side by side; only a
//! crash between SQS's answer and the mark sends a row twice, and then with the
//! same event key.

/// A row as the message that its queue takes.
mod outgoing;

/// What SQS's answers mean for the rows.
mod fate;

/// The rows of one claim, sent.
mod send;

/// The loop of one destination.
mod lane;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::queue::Queue;
use crate::service::health::{Health, Pulse};
use crate::service::metrics::{OutboxDepth, OutboxMetrics};
use crate::service::retry::Jitter;
use crate::service::supervise::Supervisor;
use crate::store::{Outbox, OutboxStats};
use lane::Lane;

/// How long a loop may be silent before it counts as stuck: longer than the
/// store and a call to SQS may take for one answer together.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// The check of readiness that breakers set, too, where consumers run.
const DATABASE: &str = "database";

/// How often what waits is counted: counting a long backlog costs a scan of its index.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Publishes the outbox.
#[derive(Debug)]
pub struct Relay {
    outbox: Arc<dyn Outbox>,
    destinations: BTreeMap<String, Arc<dyn Queue>>,
    metrics: OutboxMetrics,
    jitter: Jitter,
}

impl Relay {
    /// Makes a relay from an outbox to the queue of each destination, which is a consumer's name.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        destinations: BTreeMap<String, Arc<dyn Queue>>,
        jitter: Jitter,
    ) -> Self {
        Self {
            outbox,
            destinations,
            metrics: OutboxMetrics::new(),
            jitter,
        }
    }

    /// Publishes until `stop` is cancelled.
    ///
    /// It waits out every failure of the database and of SQS. After `stop`
    /// nothing new is claimed; what is claimed is sent and marked first.
    ///
    /// # Cancellation
    ///
    /// The loops go on until `stop` is cancelled; nothing claimed is abandoned.
    pub async fn run(self, health: &Health, stop: CancellationToken) {
        let supervisor = Supervisor::new(
            Handle::current(),
            health.clone(),
            self.jitter.clone(),
            stop.clone(),
        );
        for (destination, queue) in &self.destinations {
            let lane = Arc::new(Lane {
                destination: destination.clone(),
                outbox: Arc::clone(&self.outbox),
                queue: Arc::clone(queue),
                metrics: self.metrics.clone(),
                jitter: self.jitter.clone(),
            });
            let stop = stop.clone();
            supervisor.run(&format!("relay {destination}"), SILENCE_MAX, move |pulse| {
                let (lane, stop) = (Arc::clone(&lane), stop.clone());
                async move {
                    lane.run(&pulse, &stop).await;
                    Ok(())
                }
            });
        }
        self.measure(&supervisor, health, &stop);
        tokio::join!(supervisor.ended(), self.outbox.listen(stop));
    }

    fn measure(&self, supervisor: &Supervisor, health: &Health, stop: &CancellationToken) {
        let (outbox, metrics) = (Arc::clone(&self.outbox), self.metrics.clone());
        let (health, stop) = (health.clone(), stop.clone());
        supervisor.run("relay depth", SILENCE_MAX, move |pulse| {
            let measuring = measure(Arc::clone(&outbox), metrics.clone(), health.clone(), pulse);
            let stop = stop.clone();
            async move {
                stop.run_until_cancelled(measuring).await;
                Ok(())
            }
        });
    }
}

/// Measures the outbox again and again, and shows whether the database answers.
async fn measure(outbox: Arc<dyn Outbox>, metrics: OutboxMetrics, health: Health, pulse: Pulse) {
    let mut turns = tokio::time::interval(MEASURE_INTERVAL);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        pulse.tick();
        let stats = outbox.stats().await;
        let finding = stats.as_ref().map(drop).map_err(ToString::to_string);
        health.set_check(DATABASE, finding);
        metrics.measured(stats.ok().map(|stats| depth(&stats)));
    }
}

fn depth(stats: &[OutboxStats]) -> OutboxDepth {
    OutboxDepth {
        pending: stats.iter().map(|of| of.pending).sum(),
        oldest_age: stats
            .iter()
            .map(|of| of.oldest_age)
            .max()
            .unwrap_or_default(),
        parked: stats.iter().map(|of| of.parked).sum(),
    }
}
