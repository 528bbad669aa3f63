use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use fleet::dead_letter::Fingerprint;
use fleet::store::{PostgresStore, ReplayFailure, StoreError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::job::Scene;
use super::readiness::obstacle;
use crate::output;
use crate::progress::Bar;

/// How often the outcome of a canary is looked for.
const CANARY_PERIOD: Duration = Duration::from_millis(500);

/// How often it is looked whether a failure has come back: the look reads what has failed lately.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// Looks what becomes of what a replay has sent.
pub(super) struct Watch<'a> {
    store: &'a PostgresStore,
    id: i64,
    /// Without one nothing is known of what becomes of a message.
    consumer: Option<&'a str>,
    /// How many may die of the same again.
    tolerate: u64,
    /// What had failed before this run, by the MessageId of the dead letter.
    before: HashSet<String>,
    told: BTreeSet<String>,
    returned: Option<Verdict>,
}

/// Why a replay is stopped before its end.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Some of the canary failed anew.
    CanaryFailed(Vec<Relapse>),
    /// Some of the canary had no outcome in time.
    CanaryUndecided {
        /// How many.
        undecided: usize,
        /// What is in the way of the consumer, as far as can be seen.
        obstacle: Option<String>,
    },
    /// A failure came back that messages had died of before.
    Returned(Vec<Relapse>),
    /// It cannot be seen what becomes of what is sent.
    Blind(StoreError),
}

/// A message that failed anew.
#[derive(Clone, Debug)]
pub(super) struct Relapse {
    /// The event's id.
    pub(super) event_id: String,
    pub(super) reason: String,
    pub(super) fingerprint: Fingerprint,
    /// Whether it is what the message died of before.
    is_same: bool,
}

impl<'a> Watch<'a> {
    /// Notes what has failed before.
    pub(super) async fn begin(
        scene: &'a Scene<'a>,
        id: i64,
        resumes: Option<i64>,
    ) -> Result<Self, StoreError> {
        let mut watch = Self {
            store: scene.store,
            id,
            consumer: scene.place.consumer,
            tolerate: scene.args.tolerate,
            before: HashSet::new(),
            told: BTreeSet::new(),
            returned: None,
        };
        if let (Some(_), Some(consumer)) = (resumes, watch.consumer) {
            let failures = watch.store.replayed_failures(id, consumer).await?;
            watch.before = failures.into_iter().map(|one| one.message_id).collect();
        }
        Ok(watch)
    }

    /// Waits until everything that was sent is done, and says what is in the way of that.
    pub(super) async fn canary(&self, scene: &Scene<'_>) -> Option<Verdict> {
        let consumer = self.consumer?;
        let bar = Bar::counting("looks for the outcome of the canary");
        let deadline = Instant::now() + scene.args.canary_timeout;
        let verdict = loop {
            bar.advance(1);
            let relapses = self.relapses(consumer).await;
            let undecided = self.undecided(consumer).await;
            match (relapses, undecided) {
                (Ok(relapses), _) if !relapses.is_empty() => {
                    break Some(Verdict::CanaryFailed(relapses));
                }
                (Ok(_), Ok(0)) => break None,
                // An outage of the database is waited out, as long as there is time.
                (Err(error), _) | (_, Err(error)) if Instant::now() >= deadline => {
                    break Some(Verdict::Blind(error));
                }
                (_, Ok(undecided)) if Instant::now() >= deadline => {
                    let obstacle = obstacle(self.store, consumer).await.ok().flatten();
                    break Some(Verdict::CanaryUndecided {
                        undecided,
                        obstacle,
                    });
                }
                _ => {}
            }
            tokio::select! {
                () = sleep(CANARY_PERIOD) => {}
                () = scene.interrupt.requested() => break None,
            }
        };
        bar.finish();
        verdict
    }

    /// Looks on until the replay is over, and stops it when a failure comes back.
    pub(super) async fn look_on(
        &mut self,
        stop: &CancellationToken,
        over: &CancellationToken,
        bar: &Bar,
    ) {
        let Some(consumer) = self.consumer else {
            return;
        };
        loop {
            let is_last = tokio::select! {
                () = sleep(LOOK_PERIOD) => false,
                () = over.cancelled() => true,
            };
            // What cannot be seen now is seen at the next look.
            let relapses = self.relapses(consumer).await.unwrap_or_default();
            let (same, others): (Vec<_>, Vec<_>) =
                relapses.into_iter().partition(|relapse| relapse.is_same);
            for other in others {
                if self.told.insert(other.fingerprint.to_string()) {
                    bar.note(&output::escape(format!(
                        "event {} fails with another reason than before: {} ({})",
                        other.event_id, other.reason, other.fingerprint
                    )));
                }
            }
            if same.len() as u64 > self.tolerate {
                self.returned = Some(Verdict::Returned(same));
                stop.cancel();
                return;
            }
            if is_last {
                return;
            }
        }
    }

    /// Returns why the replay was stopped, if it was.
    pub(super) fn verdict(self) -> Option<Verdict> {
        self.returned
    }

    /// Reads what has failed anew since this run began.
    async fn relapses(&self, consumer: &str) -> Result<Vec<Relapse>, StoreError> {
        let failures = self.store.replayed_failures(self.id, consumer).await?;
        let new = failures
            .into_iter()
            .filter(|failure| !self.before.contains(&failure.message_id));
        Ok(new.map(|failure| Relapse::of(failure, consumer)).collect())
    }

    /// Counts what was sent and is neither done nor had failed before.
    async fn undecided(&self, consumer: &str) -> Result<usize, StoreError> {
        let undone = self.store.replayed_undone(self.id, consumer).await?;
        let undecided = undone.iter().filter(|id| !self.before.contains(*id));
        Ok(undecided.count())
    }
}

impl Relapse {
    fn of(failure: ReplayFailure, consumer: &str) -> Self {
        let event_type = failure.event_type.as_deref();
        let fingerprint = Fingerprint::new(consumer, event_type, &failure.reason);
        Self {
            event_id: failure.key.id,
            is_same: fingerprint.to_string() == failure.fingerprint,
            reason: failure.reason,
            fingerprint,
        }
    }
}
