use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::collector::Collector;
use super::spool::Spool;

/// How long the end of a process waits for the collector.
const FLUSH_WAIT_MAX: Duration = Duration::from_millis(1_500);

/// Brings ended spans to the collector, a batch at a time.
#[derive(Debug)]
pub(super) struct Exporter {
    pub(super) spool: Arc<Spool>,
    pub(super) collector: Collector,
    /// How long spans gather.
    pub(super) delay: Duration,
}

impl Exporter {
    /// Exports until `stop` is cancelled, and then what is left, as far as time allows.
    pub(super) async fn run(self, stop: CancellationToken) {
        let time_is_up = async {
            stop.cancelled().await;
            sleep(FLUSH_WAIT_MAX).await;
        };
        tokio::select! {
            biased;
            () = self.export(&stop) => {}
            () = time_is_up => {}
        }
        let lost = self.spool.abandon();
        if lost > 0 {
            tracing::warn!(lost, "spans were dropped, the collector took too long");
        }
    }

    async fn export(&self, stop: &CancellationToken) {
        let mut lost_since = None;
        loop {
            stop.run_until_cancelled(self.spool.gather(self.delay))
                .await;
            // Before the last look, so that nothing is left that ended before the stop.
            let is_last = stop.is_cancelled();
            while let Some(batch) = self.spool.take() {
                let lost = self.send(batch, &mut lost_since).await;
                self.spool.settle(lost);
            }
            if is_last {
                return;
            }
        }
    }

    /// Sends a batch and returns how many spans of it were lost.
    ///
    /// A batch is tried once: while the collector is away newer spans are worth
    /// more than older ones. The beginning and the end of trouble are logged,
    /// not each batch of it; `lost_since` counts in between.
    async fn send(&self, batch: Vec<SpanData>, lost_since: &mut Option<u64>) -> u64 {
        let count = batch.len() as u64;
        match self.collector.send(batch).await {
            Ok(rejected) => {
                if let Some(lost) = lost_since.take() {
                    tracing::info!(lost, "spans are exported again");
                }
                rejected
            }
            Err(error) => {
                if lost_since.is_none() {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "spans cannot be exported, they are dropped until the collector takes them"
                    );
                }
                *lost_since.get_or_insert(0) += count;
                count
            }
        }
    }
}
