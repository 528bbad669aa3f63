use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error::DATABASE;
use super::ledger::Ledger;
use super::outcome::Outcome;
use crate::service::health::{Health, Pulse};
use crate::service::metrics::{BreakerMetrics, BreakerState};
use crate::service::retry::{Backoff, Jitter};

/// The ceilings of the pauses before a dependency that is down is looked at again.
///
/// The longest one bounds how late the flow resumes. It is also how long the
/// breaker has to stay closed before the pauses begin with the shortest again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// How long the database may take to show itself.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How often the watcher shows that it is alive while nothing is wrong.
const TICK: Duration = Duration::from_secs(1);

/// Stops the receivers of a consumer while something that its handlers need is down.
///
/// The database is asked directly. Of any other dependency only a handler can
/// say whether it is back, so one message at a time is let through.
pub(super) struct Breaker {
    state: watch::Sender<State>,
    ledger: Arc<Ledger>,
    health: Health,
    jitter: Jitter,
    /// What the metrics show of each dependency that was ever down.
    shown: Mutex<BTreeMap<Cow<'static, str>, (BreakerMetrics, BreakerState)>>,
}

/// Whether messages may be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As many as there are permits.
    Closed,
    /// None.
    Open { dependency: Cow<'static, str> },
    /// One after the other, until a handler finds the dependency back or down.
    HalfOpen { dependency: Cow<'static, str> },
}

impl Breaker {
    /// Starts open: the database has to show itself before the first receive.
    pub(super) fn new(ledger: Arc<Ledger>, health: Health, jitter: Jitter) -> Self {
        let (state, _) = watch::channel(State::Open {
            dependency: DATABASE.into(),
        });
        Self {
            state,
            ledger,
            health,
            jitter,
            shown: Mutex::default(),
        }
    }

    /// Learns from the outcome of a delivery.
    ///
    /// What says nothing about a dependency, such as a duplicate or a timeout,
    /// leaves a half-open breaker as it is, and the next message is let through.
    pub(super) fn learn(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Unavailable {
                dependency: Some(dependency),
            } => self.trip(dependency.clone()),
            Outcome::Processed
            | Outcome::Rejected { .. }
            | Outcome::Failed { .. }
            | Outcome::Panicked => self.close(|state| matches!(state, State::HalfOpen { .. })),
            Outcome::Unavailable { dependency: None }
            | Outcome::Duplicate
            | Outcome::Undecodable(_)
            | Outcome::UnknownType { .. }
            | Outcome::TimedOut
            | Outcome::Interrupted
            | Outcome::LeaseLost => {}
        }
    }

    /// Notes that a dependency was found down.
    pub(super) fn trip(&self, dependency: Cow<'static, str>) {
        let mut before = State::Closed;
        let has_tripped = self.state.send_if_modified(|state| {
            let trips = !matches!(state, State::Open { .. });
            if trips {
                let dependency = dependency.clone();
                before = std::mem::replace(state, State::Open { dependency });
            }
            trips
        });
        if !has_tripped {
            return;
        }
        if let State::HalfOpen { dependency: other } = &before
            && *other != dependency
        {
            self.show(other.clone(), BreakerState::Closed);
        }
        tracing::warn!(
            dependency = dependency.as_ref(),
            "breaker opened, receiving stops"
        );
        self.show(dependency, BreakerState::Open);
    }

    /// Tells whether a dependency is known to be down.
    pub(super) fn is_down(&self, dependency: &str) -> bool {
        match &*self.state.borrow() {
            State::Closed => false,
            State::Open { dependency: down } | State::HalfOpen { dependency: down } => {
                down == dependency
            }
        }
    }

    /// Returns a view of the state that can be waited on.
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Looks after dependencies that are down, until told to stop.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the breaker in its state.
    pub(super) async fn watch(&self, pulse: &Pulse, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.look_after(pulse) => {}
        }
    }

    async fn look_after(&self, pulse: &Pulse) {
        let mut state = self.subscribe();
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone());
        let mut pause = Duration::ZERO;
        let mut closed_at = None;
        loop {
            pulse.tick();
            let current = state.borrow_and_update().clone();
            let State::Open { dependency } = current else {
                let is_closed = current == State::Closed;
                closed_at = is_closed.then(|| closed_at.unwrap_or_else(Instant::now));
                // Nobody drops the sender while its breaker is borrowed.
                let _ = timeout(TICK, state.changed()).await;
                continue;
            };
            if closed_at.is_some_and(|at: Instant| at.elapsed() >= PAUSES.1) {
                pauses.reset();
            }
            if closed_at.take().is_some() {
                pause = pauses.next();
            }
            sleep(pause).await;
            if dependency == DATABASE {
                if self.database_answers().await {
                    self.close(|state| {
                        *state
                            == State::Open {
                                dependency: DATABASE.into(),
                            }
                    });
                }
            } else {
                self.let_one_through(dependency);
            }
            pause = pauses.next();
        }
    }

    async fn database_answers(&self) -> bool {
        let finding = match timeout(ANSWER_MAX, self.ledger.probe()).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
        };
        let answers = finding.is_ok();
        if !answers {
            self.show(DATABASE.into(), BreakerState::Open);
        }
        // It logs a change, and only a change.
        self.health.set_check(DATABASE, finding);
        answers
    }

    fn let_one_through(&self, dependency: Cow<'static, str>) {
        let has_changed = self.state.send_if_modified(|state| {
            let is_same = matches!(state, State::Open { dependency: open } if *open == dependency);
            if is_same {
                *state = State::HalfOpen {
                    dependency: dependency.clone(),
                };
            }
            is_same
        });
        if has_changed {
            self.show(dependency, BreakerState::HalfOpen);
        }
    }

    fn close(&self, may_close: impl Fn(&State) -> bool) {
        // Cheaper than the lock for writing, and nearly always the answer.
        if !may_close(&self.state.borrow()) {
            return;
        }
        let mut before = State::Closed;
        self.state.send_if_modified(|state| {
            let closes = may_close(state);
            if closes {
                before = std::mem::replace(state, State::Closed);
            }
            closes
        });
        if let State::Open { dependency } | State::HalfOpen { dependency } = before {
            let was_down = self.show(dependency.clone(), BreakerState::Closed);
            if was_down {
                tracing::info!(
                    dependency = dependency.as_ref(),
                    "breaker closed, receiving goes on"
                );
            }
        }
    }

    /// Shows a state in the metrics, and tells whether it is another than before.
    fn show(&self, dependency: Cow<'static, str>, state: BreakerState) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let new = BreakerMetrics::new;
        let (metrics, before) = shown
            .entry(dependency)
            .or_insert_with_key(|dependency| (new(dependency), BreakerState::Closed));
        let is_new = *before != state;
        if is_new {
            metrics.changed_to(state);
            *before = state;
        }
        is_new
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}
