//! What a process does beside its work: it shows itself in `processes`, heeds the operators'
//! pauses, and, one process at a time, deletes rows that are over.
//!
//! None of it decides whether the process is ready. While the database is away the last known
//! pauses stay, and end when they were to end.

/// How the connections of the work are doing.
mod connections;

/// Failures that are said once.
mod outage;

/// The pause of one consumer.
mod pause;

/// How one consumer is doing.
mod serving;

/// The row of this process.
mod presence;

/// What one process at a time does.
mod leadership;

/// What is over.
mod pruner;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::service::health::Health;
use crate::service::metrics::DatabaseMetrics;
use crate::service::retry::Jitter;
use crate::service::supervise::Supervisor;
use crate::store::{PostgresStore, Process};

use connections::ConnectionWatch;

pub use leadership::Leadership;
pub use presence::Presence;
pub use pruner::{Pruner, Sweep};
pub use serving::Serving;

/// How long the loops may be silent: between two ticks are at most two statements and two waits,
/// each of a few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long the last word of a loop to the database may take.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// How long the loops may take to end: a statement under way, and the last word.
const END_MAX: Duration = Duration::from_secs(3);

/// The loops of one process beside its work; dropping it ends them.
#[derive(Debug)]
pub struct Upkeep {
    loops: Supervisor,
    jitter: Jitter,
    store: PostgresStore,
    stopping: CancellationToken,
    /// Ends the loops.
    stop: DropGuard,
}

impl Upkeep {
    /// Starts on a runtime that no handler can block; the loops are added.
    ///
    /// The store is theirs alone, so that a pause arrives also when the work has taken every
    /// connection. It needs one connection, and limits of few seconds.
    pub fn start(store: PostgresStore, runtime: &Handle, health: Health, jitter: &Jitter) -> Self {
        let stop = CancellationToken::new();
        Self {
            loops: Supervisor::new(runtime.clone(), health, jitter.clone(), stop.clone()),
            jitter: jitter.clone(),
            store,
            stopping: stop.clone(),
            stop: stop.drop_guard(),
        }
    }

    /// Shows how the connections of the work are doing.
    pub fn watch_connections(&self, work: &PostgresStore) {
        let (stop, work) = (self.stopping(), work.clone());
        let metrics = DatabaseMetrics::new();
        self.loops.run("connections", SILENCE_MAX, move |pulse| {
            let watch = ConnectionWatch::new(work.clone(), metrics.clone());
            let stop = stop.clone();
            async move {
                watch.run(&pulse, &stop).await;
                Ok(())
            }
        });
    }

    /// Shows this process among those that serve, heeds the pauses of its consumers, and prunes
    /// when it is its turn. The database has to have its tables.
    pub fn serve(&self, process: Process, serving: Vec<Serving>) {
        let leadership = Leadership::of_pruning(&self.store, &process.id);
        let pruner = Arc::new(Mutex::new(Pruner::new(self.store.clone(), leadership)));
        let presence = Presence::new(process, serving, self.store.clone());
        let presence = Arc::new(Mutex::new(presence));
        let (stop, draws) = (self.stopping(), self.jitter.clone());
        self.loops.run("presence", SILENCE_MAX, move |pulse| {
            let (presence, stop, draws) = (Arc::clone(&presence), stop.clone(), draws.clone());
            async move {
                presence.lock().await.run(&pulse, &stop, draws).await;
                Ok(())
            }
        });
        let (stop, draws) = (self.stopping(), self.jitter.clone());
        self.loops.run("pruning", SILENCE_MAX, move |pulse| {
            let (pruner, stop, draws) = (Arc::clone(&pruner), stop.clone(), draws.clone());
            async move {
                pruner.lock().await.run(&pulse, &stop, draws).await;
                Ok(())
            }
        });
    }

    /// Ends the loops: the row of this process is removed, and what it leads is given back.
    ///
    /// # Cancellation
    ///
    /// The loops end all the same; nobody waits for them.
    pub async fn end(self) {
        let Self {
            loops, store, stop, ..
        } = self;
        drop(stop);
        let ended = async {
            loops.ended().await;
            store.close().await;
        };
        // The row of a process that could not say good-bye is not seen any more soon.
        let _ = timeout(END_MAX, ended).await;
    }

    /// Returns the token that asks the loops to end.
    fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }
}
