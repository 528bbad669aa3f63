use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::error::DATABASE;
use crate::service::health::{Health, Pulse};
use crate::service::metrics::{BreakerMetrics, BreakerState};
use crate::service::retry::{Backoff, Jitter};
use crate::store::Store;

/// The ceilings of the pauses between two looks at a dependency that is down.
///
/// The longest one bounds how late the flow resumes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// How often the watcher shows that it is alive while nothing is wrong.
const TICK: Duration = Duration::from_secs(1);

/// Stops the receivers of a consumer while something that its handlers need is down.
///
/// The database is asked directly. Of any other dependency only a handler can
/// say whether it is back, so one message at a time is let through.
pub(super) struct Breaker {
    state: watch::Sender<State>,
    store: Arc<dyn Store>,
    health: Health,
    jitter: Jitter,
}

/// Whether messages may be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As many as there are permits.
    Closed,
    /// None.
    Open { dependency: Cow<'static, str> },
    /// One, to see whether its handler finds the dependency back.
    HalfOpen { dependency: Cow<'static, str> },
}

impl Breaker {
    /// Starts open: the database has to show itself before the first receive.
    pub(super) fn new(store: Arc<dyn Store>, health: Health, jitter: Jitter) -> Self {
        let (state, _) = watch::channel(State::Open {
            dependency: DATABASE.into(),
        });
        Self {
            state,
            store,
            health,
            jitter,
        }
    }

    /// Reports that a dependency was found down.
    pub(super) fn trip(&self, dependency: Cow<'static, str>) {
        let tripped = self.state.send_if_modified(|state| {
            let trips = !matches!(state, State::Open { .. });
            if trips {
                *state = State::Open {
                    dependency: dependency.clone(),
                };
            }
            trips
        });
        if tripped {
            BreakerMetrics::new(&dependency).changed_to(BreakerState::Open);
            tracing::warn!(
                dependency = dependency.as_ref(),
                "breaker opened, receiving stops"
            );
        }
    }

    /// Reports that a handler ran through.
    pub(super) fn succeed(&self) {
        let mut healed = None;
        self.state.send_if_modified(|state| {
            if let State::HalfOpen { dependency } = state {
                healed = Some(dependency.clone());
                *state = State::Closed;
            }
            healed.is_some()
        });
        if let Some(dependency) = healed {
            BreakerMetrics::new(&dependency).changed_to(BreakerState::Closed);
            tracing::info!(
                dependency = dependency.as_ref(),
                "breaker closed, receiving goes on"
            );
        }
    }

    /// Returns a view of the state that can be waited on.
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Looks after dependencies that are down, until told to stop.
    pub(super) async fn watch(&self, pulse: &Pulse, stop: &CancellationToken) {
        let mut state = self.subscribe();
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone());
        while !stop.is_cancelled() {
            pulse.tick();
            let open = match &*state.borrow_and_update() {
                State::Open { dependency } => Some(dependency.clone()),
                State::Closed | State::HalfOpen { .. } => None,
            };
            let pause = match open {
                Some(dependency) if dependency == DATABASE => match self.ask_database().await {
                    true => continue,
                    false => backoff.next(),
                },
                Some(dependency) => {
                    sleep_or_stop(backoff.next(), stop).await;
                    BreakerMetrics::new(&dependency).changed_to(BreakerState::HalfOpen);
                    self.state.send_replace(State::HalfOpen { dependency });
                    continue;
                }
                None => {
                    if *state.borrow() == State::Closed {
                        backoff.reset();
                    }
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        _ = state.changed() => {}
                        () = sleep(TICK) => {}
                    }
                    continue;
                }
            };
            sleep_or_stop(pause, stop).await;
        }
    }

    async fn ask_database(&self) -> bool {
        match self.store.probe().await {
            Ok(()) => {
                self.health.set_check(DATABASE, Ok(()));
                self.state.send_replace(State::Closed);
                BreakerMetrics::new(DATABASE).changed_to(BreakerState::Closed);
                tracing::info!(dependency = DATABASE, "database answers, receiving goes on");
                true
            }
            Err(error) => {
                self.health.set_check(DATABASE, Err(error.to_string()));
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "database does not answer"
                );
                false
            }
        }
    }
}

async fn sleep_or_stop(pause: Duration, stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(pause) => {}
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
