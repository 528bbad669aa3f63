use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;

use super::error::DATABASE;
use super::ledger::Ledger;
use super::outages::{Admission, Dependency, Outages};
use super::progress::Progress;
use crate::service::health::Health;
use crate::service::metrics::{BreakerMetrics, BreakerState};
use crate::service::retry::{Backoff, Jitter};
use crate::service::watch;

/// The ceilings of the pauses before a dependency that is down is looked at again.
///
/// The longest one bounds how late the flow resumes. It is also how long the
/// database has to be up before the pauses begin with the shortest again.
pub(super) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(250), Duration::from_secs(4));

/// Stops the receivers of a consumer while something that its handlers need is down.
///
/// The database is asked directly. Of any other dependency only a handler can
/// say whether it is back: the first message that found it down is kept under
/// lease as the probe, and runs again and again.
pub(super) struct Breaker {
    pub(super) outages: watch::Sender<Outages>,
    /// Held by the message that is let through.
    pub(super) passes: Arc<Semaphore>,
    pub(super) surroundings: Surroundings,
    /// Held by the one that asks the database on behalf of a handler that was too slow.
    pub(super) asking: AsyncMutex<()>,
    /// What the metrics show of each dependency that was ever down.
    shown: Mutex<BTreeMap<Dependency, (BreakerMetrics, BreakerState)>>,
}

/// What a breaker asks, and where it shows itself.
pub(super) struct Surroundings {
    pub(super) queue: String,
    pub(super) ledger: Arc<Ledger>,
    pub(super) health: Health,
    pub(super) jitter: Jitter,
    pub(super) progress: Arc<Progress>,
}

impl Breaker {
    /// Starts open: the database has to show itself before the first receive.
    pub(super) fn new(permits: usize, surroundings: Surroundings) -> Self {
        let mut outages = Outages::new(permits);
        outages.lose_database(Instant::now());
        let database = BreakerMetrics::new(&surroundings.queue, DATABASE);
        let shown = BTreeMap::from([(DATABASE.into(), (database, BreakerState::Closed))]);
        Self {
            outages: watch::Sender::new(outages),
            passes: Arc::new(Semaphore::new(1)),
            surroundings,
            asking: AsyncMutex::default(),
            shown: Mutex::new(shown),
        }
    }

    /// Returns what may be received.
    pub(super) fn admission(&self) -> Admission {
        self.outages.borrow().admission()
    }

    /// Tells whether a dependency is down.
    pub(super) fn is_down(&self, dependency: &str) -> bool {
        self.outages.borrow().is_down(dependency)
    }

    /// Returns a view that can be waited on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Outages> {
        self.outages.subscribe()
    }

    /// Notes that the database was found down.
    pub(super) fn lose_database(&self) {
        self.change(|outages| outages.lose_database(Instant::now()));
    }

    /// Draws pauses as they are between looks at a dependency.
    pub(super) fn pauses(&self) -> Backoff {
        Backoff::new(PAUSES.0, PAUSES.1, self.surroundings.jitter.clone())
    }

    /// Notes that a dependency is back.
    pub(super) fn close(&self, dependency: &Dependency) {
        self.change(|outages| outages.end(dependency, Instant::now()));
    }

    /// Changes what is known, and shows it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Outages) -> T) -> T {
        let mut changed = None;
        self.outages
            .send_modify(|outages| changed = Some(change(outages)));
        self.show();
        changed.expect("the change was made")
    }

    /// Shows in metrics, log and progress how things stand now.
    pub(super) fn show(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states: BTreeMap<Dependency, BreakerState> = BTreeMap::new();
        for (dependency, lets_one_through) in self.outages.borrow().down() {
            let state = match lets_one_through {
                true => BreakerState::HalfOpen,
                false => BreakerState::Open,
            };
            states.insert(dependency.clone(), state);
        }
        let queue = self.surroundings.queue.as_str();
        for dependency in states.keys() {
            shown.entry(dependency.clone()).or_insert_with(|| {
                let metrics = BreakerMetrics::new(queue, dependency);
                (metrics, BreakerState::Closed)
            });
        }
        for (dependency, (metrics, before)) in shown.iter_mut() {
            let state = states.get(dependency).copied();
            let state = state.unwrap_or(BreakerState::Closed);
            if state == *before {
                continue;
            }
            metrics.changed_to(state);
            let dependency = dependency.as_ref();
            if *before == BreakerState::Closed {
                tracing::warn!(queue, dependency, "breaker opened, receiving stops");
            } else if state == BreakerState::Closed {
                tracing::info!(queue, dependency, "breaker closed");
            }
            *before = state;
        }
        self.surroundings.progress.set_down(states.into_keys());
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("outages", &*self.outages.borrow())
            .finish_non_exhaustive()
    }
}
