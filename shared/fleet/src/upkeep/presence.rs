use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::FAREWELL_MAX;
use super::chore::Chore;
use super::outage::Outage;
use super::pause::PauseWatch;
use super::serving::{Meter, Serving};
use crate::service::health::Pulse;
use crate::service::retry::Jitter;
use crate::store::{PostgresStore, Process, StoreError, StoreErrorClass};

/// How often a process shows itself and looks for pauses. A pause is promised to be seen within
/// five seconds, of which the database may take one to answer.
const PERIOD: Duration = Duration::from_secs(4);

/// How long one beat may take: two small statements, and a connection if there is none.
const BEAT_MAX: Duration = Duration::from_secs(10);

/// Shows this process in the table `processes`, and heeds the pauses of its consumers.
#[derive(Debug)]
pub struct Presence {
    process: Process,
    store: PostgresStore,
    consumers: Vec<(PauseWatch, Meter)>,
}

impl Presence {
    /// Puts it together; nothing is written yet, and no consumer receives before the first beat
    /// whose valve is unknown.
    pub fn new(process: Process, serving: Vec<Serving>, store: PostgresStore) -> Self {
        let watched = |serving: Serving| {
            let Serving {
                consumer,
                queue,
                valve,
                ..
            } = &serving;
            let watch = PauseWatch::new(consumer, queue, valve.clone());
            (watch, Meter::new(serving))
        };
        Self {
            process,
            store,
            consumers: serving.into_iter().map(watched).collect(),
        }
    }

    /// Looks for pauses, then writes the row.
    ///
    /// # Errors
    ///
    /// As the class says; the pauses that are known stay.
    ///
    /// # Cancellation
    ///
    /// The row may be written or not.
    pub async fn beat(&mut self) -> Result<(), StoreError> {
        self.expire();
        self.heed().await?;
        let standings: Vec<_> = self
            .consumers
            .iter_mut()
            .map(|(watch, meter)| meter.read(watch.is_on()))
            .collect();
        self.store.show_process(&self.process, &standings).await
    }

    /// Removes the row.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.store.remove_process(&self.process.id).await
    }

    async fn heed(&mut self) -> Result<(), StoreError> {
        if self.consumers.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self
            .consumers
            .iter()
            .map(|(watch, _)| watch.consumer())
            .collect();
        let known: Vec<_> = self
            .consumers
            .iter()
            .filter_map(|(watch, _)| watch.known())
            .collect();
        let pauses = self.store.pauses(&names, &known).await?;
        let now = Timestamp::now();
        for (watch, _) in &mut self.consumers {
            watch.learn(&pauses, now);
        }
        Ok(())
    }

    fn expire(&mut self) {
        let now = Timestamp::now();
        for (watch, _) in &mut self.consumers {
            watch.expire(now);
        }
    }

    /// Returns how long it is until a pause is over by itself.
    fn next_end(&self) -> Duration {
        let now = Timestamp::now();
        let ends = self.consumers.iter().filter_map(|(watch, _)| watch.until());
        let waits = ends.map(|end| end.duration_since(now).try_into().unwrap_or_default());
        waits.min().unwrap_or(Duration::MAX)
    }
}

impl Chore for Presence {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken, jitter: Jitter) {
        let mut outage = Outage::of("showing this process and looking for pauses", jitter);
        while !stop.is_cancelled() {
            pulse.tick();
            let rest = match timeout(BEAT_MAX, self.beat()).await {
                Ok(Ok(())) => {
                    outage.is_over();
                    PERIOD
                }
                Ok(Err(error)) => outage.goes_on(&error),
                Err(_) => outage.goes_on(&silence()),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep(rest.min(self.next_end())) => {}
            }
        }
        // A row that stays behind is not seen any more soon, and is pruned.
        let _ = timeout(FAREWELL_MAX, self.leave()).await;
    }
}

fn silence() -> StoreError {
    let text = format!("no answer within {} s", BEAT_MAX.as_secs());
    StoreError::new(StoreErrorClass::Unavailable, text)
}
