use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::breaker::{Breaker, PAUSES, Surroundings};
use super::error::DATABASE;
use super::outcome::Outcome;
use crate::service::health::Pulse;
use crate::store::StoreErrorClass;

/// How long the database may take to show itself.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long it may take when a handler was too slow: longer than the wait for a connection, so
/// that a busy pool says so itself.
const LATE_ANSWER_MAX: Duration = Duration::from_secs(8);

/// How often the watcher shows that it is alive while nothing is wrong.
const TICK: Duration = Duration::from_secs(1);

impl Breaker {
    /// Asks a database that is down until it is back, until told to stop.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the breaker in its state.
    pub(super) async fn watch(&self, pulse: &Pulse, stop: &CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.look_after_database(pulse) => {}
        }
    }

    /// Judges a handler that took too long: where the database does not answer either, that is why.
    ///
    /// A server that hangs, unlike one that is gone, makes no errors. One asks at a time: when
    /// many hang, the first to know tells the others, also those whose turn comes when the
    /// database is back already.
    ///
    /// # Cancellation
    ///
    /// Nothing is learnt.
    pub(super) async fn judge_timeout(
        &self,
        began: Instant,
        stop_working: &CancellationToken,
    ) -> Outcome {
        let database_hangs = tokio::select! {
            biased;
            hangs = self.database_hangs(began) => hangs,
            () = stop_working.cancelled() => return Outcome::Interrupted,
        };
        match database_hangs {
            true => Outcome::Unavailable {
                dependency: Some(DATABASE.into()),
            },
            false => Outcome::TimedOut,
        }
    }

    async fn database_hangs(&self, began: Instant) -> bool {
        let _turn = self.asking.lock().await;
        if self.outages.borrow().was_down(DATABASE, began) {
            return true;
        }
        let probe = self.surroundings.ledger.probe();
        let hangs = match timeout(LATE_ANSWER_MAX, probe).await {
            // A busy pool is no evidence.
            Ok(answer) => answer.is_err_and(|error| error.class == StoreErrorClass::Unavailable),
            Err(_) => true,
        };
        if hangs {
            self.lose_database();
        }
        hangs
    }

    async fn look_after_database(&self, pulse: &Pulse) {
        let mut outages = self.subscribe();
        let mut pauses = self.pauses();
        let mut pause = Duration::ZERO;
        let mut up_since: Option<Instant> = None;
        loop {
            pulse.tick();
            if !outages.borrow_and_update().is_down(DATABASE) {
                up_since = up_since.or_else(|| Some(Instant::now()));
                // Nobody drops the sender while its breaker is borrowed.
                let _ = timeout(TICK, outages.changed()).await;
                continue;
            }
            if let Some(since) = up_since.take() {
                if since.elapsed() >= PAUSES.1 {
                    pauses.reset();
                }
                pause = pauses.next();
            }
            sleep(pause).await;
            if self.database_answers().await {
                self.close(&DATABASE.into());
            }
            pause = pauses.next();
        }
    }

    async fn database_answers(&self) -> bool {
        let Surroundings { ledger, health, .. } = &self.surroundings;
        let finding = match timeout(ANSWER_MAX, ledger.probe()).await {
            Ok(answer) => answer.map_err(|error| error.finding()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
        };
        let answers = finding.is_ok();
        if !answers {
            self.show();
        }
        // It logs a change, and only a change.
        health.set_check(DATABASE, finding);
        answers
    }
}
