use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::commit::commit;
use super::context::{Context, Tx};
use super::error::{DATABASE, HandlerError};
use super::lane::{Single, Stop};
use super::outcome::{CONTENDED, Ending, Outcome};
use super::router::{Consumer, Many, Route};
use crate::dead_letter::{Death, Fingerprint};
use crate::message::{Message, RawEnvelope};
use crate::store::{KeyState, PostgresStore, Publication, Store as _, Transaction, Trial};

/// How often a rehearsal that lost a conflict with live work is repeated.
const CONFLICTS_MAX: u32 = 3;

/// Which attempt a handler takes it for: a replay starts afresh.
const ATTEMPT: u32 = 1;

/// What would become of a dead message if it was replayed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// It would get done.
    Passes {
        /// What the handler would publish.
        published: Vec<Publication>,
    },
    /// It is done already: a replay would only delete it.
    AlreadyDone,
    /// No handler takes its type.
    NoHandler,
    /// It would not get done.
    Fails {
        /// How: `Undecodable`, `Rejected`, `Failed`, `Unavailable`, `TimedOut` or `Panicked`.
        outcome: Outcome,
        /// The stable phrase.
        reason: String,
        /// By what it is the same failure as others.
        fingerprint: Fingerprint,
        /// Whether that is what it died of.
        is_same: bool,
    },
}

/// Why a rehearsal says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// A rollback cannot undo what the handler does.
    #[error("{consumer} handles {event_type} with effects outside Postgres")]
    OutsideEffect {
        /// The consumer.
        consumer: &'static str,
        /// The type of the event.
        event_type: String,
    },
    /// The database does not take part.
    #[error("the database is unavailable")]
    Database,
}

impl Consumer {
    /// Runs the handler of a dead message in a transaction that is rolled back.
    ///
    /// The claim is part of it, so that finished work shows, and so are the checks that a commit
    /// would make. Nothing stays of it in any table; sequences move on, and locks are held for as
    /// long as the handler runs. `limit` is the timeout of the handler. One that shares batches
    /// gets a batch of its own.
    ///
    /// # Errors
    ///
    /// The handler has effects outside Postgres, and was not run; or the database is down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the handler and rolls back.
    pub async fn rehearse(
        &self,
        mut message: Message,
        death: &Death,
        store: &PostgresStore,
        limit: Duration,
    ) -> Result<Rehearsal, RehearsalError> {
        // Looks were counted too; a replayed one is new.
        message.receive_count = 1;
        let event = match RawEnvelope::open(&message, &death.queue) {
            Ok(event) => event,
            Err(error) => return Ok(self.failed(Outcome::Undecodable(error), death, None)),
        };
        let event_type = event.event_type.as_ref();
        let Some(route) = self.routes().get(event_type) else {
            return Ok(Rehearsal::NoHandler);
        };
        if self.has_outside_effect(event_type) == Some(true) {
            return Err(RehearsalError::OutsideEffect {
                consumer: self.name(),
                event_type: event_type.to_owned(),
            });
        }
        let stage = Stage {
            consumer: self.name(),
            trial: Trial::on(store),
            event: &event,
            limit,
        };
        match stage.run(route).await {
            Outcome::Processed => Ok(Rehearsal::Passes {
                published: stage.trial.take_published(),
            }),
            Outcome::Duplicate => Ok(Rehearsal::AlreadyDone),
            Outcome::Unavailable {
                dependency: Some(name),
            } if name == DATABASE => Err(RehearsalError::Database),
            outcome => Ok(self.failed(outcome, death, Some(event_type))),
        }
    }

    fn failed(&self, outcome: Outcome, death: &Death, event_type: Option<&str>) -> Rehearsal {
        let reason = outcome.reason().unwrap_or_default().into_owned();
        let event_type = event_type.or(death.event_type.as_deref());
        let fingerprint = Fingerprint::new(self.name(), event_type, &reason);
        Rehearsal::Fails {
            outcome,
            reason,
            is_same: fingerprint == death.fingerprint,
            fingerprint,
        }
    }
}

/// Where one event is rehearsed.
struct Stage<'a> {
    consumer: &'static str,
    trial: Trial,
    event: &'a RawEnvelope<'a>,
    limit: Duration,
}

impl Stage<'_> {
    /// Runs the handler, and again when live work was in the way.
    async fn run(&self, route: &Route) -> Outcome {
        for _ in 1..CONFLICTS_MAX {
            match self.run_once(route).await {
                CONTENDED => drop(self.trial.take_published()),
                outcome => return outcome,
            }
        }
        self.run_once(route).await
    }

    async fn run_once(&self, route: &Route) -> Outcome {
        let running = async {
            match route {
                Route::One(handler) => self.run_single(handler.as_ref()).await,
                Route::Batch(handler) => self.run_batch(handler.as_ref()).await,
            }
        };
        // The handler's panic is caught, and so is that of a value it leaves behind.
        let ended = AssertUnwindSafe(running).catch_unwind().await;
        ended.map_or(Outcome::Panicked, |ending| ending.outcome)
    }

    async fn run_single(&self, handler: &dyn Single) -> Ending {
        let (key, deadline) = (&self.event.key, Instant::now() + self.limit);
        let mut cx = Context::new(&self.trial, self.consumer, key, ATTEMPT, deadline);
        let ended = timeout_at(deadline, handler.run(self.event, &mut cx)).await;
        let ended = match ended {
            Ok(Ok(_done)) => Ok(()),
            Ok(Err(stop)) => Err(ending_of(stop)),
            Err(_) => Err(Outcome::TimedOut.into()),
        };
        match cx.into_transaction() {
            Some(transaction) => end(transaction, ended).await,
            None => ended.err().unwrap_or_else(|| Outcome::Processed.into()),
        }
    }

    async fn run_batch(&self, handler: &dyn Many) -> Ending {
        // A batch takes in only what it can decode.
        if let Err(error) = handler.check(self.event.data()) {
            return Outcome::Undecodable(error).into();
        }
        let keys = std::slice::from_ref(&self.event.key);
        let (transaction, states) = match self.trial.claim_all(self.consumer, keys).await {
            Ok(claimed) => claimed,
            Err(error) => return HandlerError::of_runtime(error).into(),
        };
        let ended = match states.first() {
            Some(KeyState::Duplicate) => Err(Outcome::Duplicate.into()),
            Some(KeyState::Contended) | None => Err(CONTENDED.into()),
            Some(KeyState::New) => {
                let mut tx = Tx::new(transaction.as_ref());
                let running = handler.run_alone(self.event, &mut tx);
                match timeout(self.limit, running).await {
                    Ok(handled) => handled.map_err(ending_of),
                    Err(_) => Err(Outcome::TimedOut.into()),
                }
            }
        };
        end(transaction, ended).await
    }
}

/// Ends a transaction as a handler's success or failure does.
async fn end(transaction: Box<dyn Transaction>, ended: Result<(), Ending>) -> Ending {
    match ended {
        Ok(()) => commit(transaction).await,
        Err(ending) => {
            transaction.rollback().await;
            ending
        }
    }
}

fn ending_of(stop: Stop) -> Ending {
    match stop {
        Stop::Undecodable(error) => Outcome::Undecodable(error).into(),
        Stop::Handler(error) => error.into(),
    }
}
