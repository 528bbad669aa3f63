//! What a process does beside its work: it shows itself in `processes`, heeds the operators'
//! pauses, and, one process at a time, deletes rows that are over.
//!
//! None of it decides whether the process is ready. While the database is away the last known
//! pauses stay, and end when they were to end.

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
use crate::service::retry::Jitter;
use crate::service::supervise::Supervisor;
use crate::store::{PostgresStore, Process};

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
    store: PostgresStore,
    stop: DropGuard,
}

impl Upkeep {
    /// Starts the loops on a runtime that no handler can block.
    ///
    /// The store is theirs alone, so that a pause arrives also when the work has taken every
    /// connection. It needs one connection, and limits of few seconds.
    pub fn start(
        process: Process,
        serving: Vec<Serving>,
        store: PostgresStore,
        runtime: &Handle,
        health: Health,
        jitter: &Jitter,
    ) -> Self {
        let stop = CancellationToken::new();
        let loops = Supervisor::new(runtime.clone(), health, jitter.clone(), stop.clone());
        let pruner = Pruner::new(store.clone(), Leadership::of_pruning(&store, &process.id));
        let presence = Presence::new(process, serving, store.clone());
        let (presence, pruner) = (Arc::new(Mutex::new(presence)), Arc::new(Mutex::new(pruner)));
        let upkeep = Self {
            loops,
            store,
            stop: stop.clone().drop_guard(),
        };
        let (asked, draws) = (stop.clone(), jitter.clone());
        upkeep.loops.run("presence", SILENCE_MAX, move |pulse| {
            let (presence, asked, draws) = (Arc::clone(&presence), asked.clone(), draws.clone());
            async move {
                presence.lock().await.run(&pulse, &asked, draws).await;
                Ok(())
            }
        });
        let (asked, draws) = (stop, jitter.clone());
        upkeep.loops.run("pruning", SILENCE_MAX, move |pulse| {
            let (pruner, asked, draws) = (Arc::clone(&pruner), asked.clone(), draws.clone());
            async move {
                pruner.lock().await.run(&pulse, &asked, draws).await;
                Ok(())
            }
        });
        upkeep
    }

    /// Ends the loops: the row of this process is removed, and what it leads is given back.
    ///
    /// # Cancellation
    ///
    /// The loops end all the same; nobody waits for them.
    pub async fn end(self) {
        let Self { loops, store, stop } = self;
        drop(stop);
        let ended = async {
            loops.ended().await;
            store.close().await;
        };
        // The row of a process that could not say good-bye is not seen any more soon.
        let _ = timeout(END_MAX, ended).await;
    }
}
