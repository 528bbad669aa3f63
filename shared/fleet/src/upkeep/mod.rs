//! What a process does beside its work: it shows itself in `processes`, heeds the operators'
//! pauses, and, one process at a time, deletes rows that are over.
//!
//! None of it decides whether the process is ready. While the database is away the last known
//! pauses stay, and end when they were to end.

/// What is done again and again.
mod chore;

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

/// How large tables are.
mod tables;

/// What waits in a queue, and since when.
mod depth;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::service::health::Health;
use crate::service::metrics::MeasuringMetrics;
use crate::service::retry::Jitter;
use crate::service::supervise::Supervisor;
use crate::store::{PostgresStore, Process};

use chore::Chore;
use connections::ConnectionWatch;
use depth::DepthWatch;
use tables::TableWatch;

pub use depth::Sounded;
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
        self.add("connections", ConnectionWatch::new(work.clone()));
    }

    /// Measures these queues whenever it is this process's turn; each on its own, so that none
    /// waits for another.
    pub fn measure(&self, queues: Vec<Sounded>, process: &str) {
        let measuring = MeasuringMetrics::new();
        for sounded in queues {
            let name = format!("depth of {}", sounded.queue.name());
            let watch = DepthWatch::new(sounded, self.store.clone(), process, measuring.clone());
            self.add(&name, watch);
        }
    }

    /// Shows this process among those that serve, heeds the pauses of its consumers, and prunes
    /// when it is its turn. The database has to have its tables.
    pub fn serve(&self, process: Process, serving: Vec<Serving>) {
        let (store, id) = (&self.store, process.id.clone());
        let pruner = Pruner::new(store.clone(), Leadership::of_pruning(store, &id));
        let tables = TableWatch::new(store.clone(), Leadership::of_tables(store, &id));
        let presence = Presence::new(process, serving, store.clone());
        self.add("presence", presence);
        self.add("pruning", pruner);
        self.add("tables", tables);
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

    /// Adds a loop, which goes on with what it has learnt when it is started again.
    fn add(&self, name: &str, chore: impl Chore) {
        let chore = Arc::new(Mutex::new(chore));
        let (stop, draws) = (self.stopping.clone(), self.jitter.clone());
        self.loops.run(name, SILENCE_MAX, move |pulse| {
            let (chore, stop, draws) = (Arc::clone(&chore), stop.clone(), draws.clone());
            async move {
                chore.lock().await.run(&pulse, &stop, draws).await;
                Ok(())
            }
        });
    }
}
