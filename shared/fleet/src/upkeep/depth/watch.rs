use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::sounder::{Others, Sounded, Sounder};
use crate::queue::{QueueError, QueueErrorKind};
use crate::service::health::Pulse;
use crate::service::metrics::MeasuringMetrics;
use crate::service::retry::Jitter;
use crate::store::{ConsumerStanding, PostgresStore, StoreError};
use crate::upkeep::FAREWELL_MAX;
use crate::upkeep::chore::Chore;
use crate::upkeep::leadership::Leadership;
use crate::upkeep::outage::Outage;

/// How often the lease is made to last longer, or asked for: three times while it lasts.
const PERIOD: Duration = Duration::from_secs(5);

/// How often the queue and its dead-letter queue are asked: as often as metrics are usually
/// scraped. It makes 480 requests an hour.
const LOOK_PERIOD: Duration = Duration::from_secs(15);

/// How long a look may take: two or three requests of five seconds, and a few small statements.
const LOOK_MAX: Duration = Duration::from_secs(20);

/// How long the database may take to say whose turn it is: as long as for the presence.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long a process leaves a queue to the others that SQS does not let it ask.
const ASIDE: Duration = Duration::from_secs(60);

/// Processes that have shown themselves within this time tell what they receive: they do so every
/// four seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// Has one queue measured while it is this process's turn.
#[derive(Debug)]
pub(in crate::upkeep) struct DepthWatch {
    sounder: Sounder,
    store: PostgresStore,
    leadership: Leadership,
    measuring: MeasuringMetrics,
    role: Role,
    /// Whether it has read what the holder before has left.
    is_informed: bool,
    aside_until: Option<Instant>,
    looked_at: Option<Instant>,
}

/// Who measures the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Another process.
    Bystander,
    /// This one for all.
    Holder,
    /// Every process for itself, because nobody can say whose turn it is.
    Alone,
}

/// What a process has done when it was asked to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has looked.
    Looked,
    /// It was not its turn, or not time.
    Passed,
}

impl DepthWatch {
    /// Watches over a queue that another process may be measuring.
    pub(in crate::upkeep) fn new(
        sounded: Sounded,
        store: PostgresStore,
        process: &str,
        measuring: MeasuringMetrics,
    ) -> Self {
        Self {
            leadership: Leadership::of_depth(&store, sounded.queue.name(), process),
            sounder: Sounder::new(sounded),
            store,
            measuring,
            role: Role::Bystander,
            is_informed: false,
            aside_until: None,
            looked_at: None,
        }
    }

    /// Looks if it is this process's turn, and time.
    async fn take_turn(&mut self) -> Result<Turn, QueueError> {
        let role = self.ask_for_role().await;
        self.play(role);
        if !self.is_due() {
            return Ok(Turn::Passed);
        }
        self.look().await.map(|()| Turn::Looked)
    }

    async fn ask_for_role(&mut self) -> Role {
        if self.aside_until.is_some_and(|until| Instant::now() < until) {
            return Role::Bystander;
        }
        match timeout(ANSWER_MAX, self.leadership.keep()).await {
            Ok(Ok(true)) => Role::Holder,
            Ok(Ok(false)) => Role::Bystander,
            Ok(Err(_)) | Err(_) => Role::Alone,
        }
    }

    fn play(&mut self, role: Role) {
        let before = std::mem::replace(&mut self.role, role);
        match (before, role) {
            (Role::Bystander, Role::Holder | Role::Alone) => self.measuring.begins(),
            (Role::Holder | Role::Alone, Role::Bystander) => {
                self.measuring.ends();
                self.sounder.hand_over();
                self.is_informed = false;
                self.looked_at = None;
            }
            _ => {}
        }
    }

    fn is_due(&self) -> bool {
        let is_long_ago = |at: Instant| at.elapsed() >= LOOK_PERIOD;
        self.role != Role::Bystander && self.looked_at.is_none_or(is_long_ago)
    }

    async fn look(&mut self) -> Result<(), QueueError> {
        self.looked_at = Some(Instant::now());
        let looked = match self.role {
            Role::Holder => timeout(LOOK_MAX, self.look_for_all()).await,
            Role::Bystander | Role::Alone => timeout(LOOK_MAX, self.look_alone()).await,
        };
        looked.unwrap_or_else(|_| {
            Err(QueueError {
                operation: "GetQueueAttributes",
                kind: QueueErrorKind::Unreachable,
                code: None,
                source: None,
            })
        })
    }

    async fn look_alone(&mut self) -> Result<(), QueueError> {
        let (_, attributes) = self.sounder.sound(None).await?;
        match attributes.dead_letter_queue {
            Some(name) => self.sounder.sound_dead_letters(&name, None).await,
            None => Ok(()),
        }
    }

    /// Looks with what the database knows, and leaves to it what the next holder has to know.
    async fn look_for_all(&mut self) -> Result<(), QueueError> {
        // A statement that fails ends the role at the next turn; until then less is known.
        self.inform_itself().await.ok();
        let standings = self.standings().await.ok();
        let store = self.store.clone();
        let others = standings.as_deref().map(|standings| Others {
            standings,
            store: &store,
        });
        let (lag, attributes) = self.sounder.sound(others).await?;
        let dead_letters = match attributes.dead_letter_queue {
            Some(name) => self.sounder.sound_dead_letters(&name, others).await,
            None => Ok(()),
        };
        let (queue, memory) = (self.sounder.queue(), self.sounder.memory());
        if self.is_informed {
            self.store.remember_depth(queue, lag, memory).await.ok();
        }
        dead_letters
    }

    /// Reads once what the holder before has left.
    async fn inform_itself(&mut self) -> Result<(), StoreError> {
        if !self.is_informed {
            if let Some(memory) = self.store.recall_depth(self.sounder.queue()).await? {
                self.sounder.recall(memory);
            }
            self.is_informed = true;
        }
        Ok(())
    }

    /// Reads how the consumers of the queue are doing in all processes.
    async fn standings(&self) -> Result<Vec<ConsumerStanding>, StoreError> {
        let seen = self.store.processes(SEEN_WITHIN).await?.into_iter();
        let standings = seen.flat_map(|sighting| sighting.consumers);
        Ok(standings
            .filter(|standing| standing.queue == self.sounder.queue())
            .collect())
    }

    /// Leaves the queue to others for a while where they may be let in and this process is not.
    async fn judge(&mut self, error: &QueueError) {
        match error.kind {
            QueueErrorKind::Credentials | QueueErrorKind::Refused | QueueErrorKind::NoSuchQueue => {
                self.aside_until = Some(Instant::now() + ASIDE);
                self.play(Role::Bystander);
                self.leadership.resign().await.ok();
            }
            QueueErrorKind::Unreachable | QueueErrorKind::Throttled | QueueErrorKind::Server => {}
        }
    }
}

impl Chore for DepthWatch {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken, jitter: Jitter) {
        let what = format!("measuring queue {}", self.sounder.queue());
        let mut outage = Outage::of(what, jitter);
        while !stop.is_cancelled() {
            pulse.tick();
            // A question may be left unanswered. Boxed: it holds a call of the SDK.
            let turn = Box::pin(self.take_turn());
            match stop.run_until_cancelled(turn).await {
                Some(Ok(Turn::Looked)) => outage.is_over(),
                Some(Err(error)) => {
                    outage.goes_on(&error);
                    self.judge(&error).await;
                }
                Some(Ok(Turn::Passed)) | None => {}
            }
            self.sounder.forget_what_is_stale();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = sleep(PERIOD) => {}
            }
        }
        self.play(Role::Bystander);
        // A lease that stays behind ends by itself.
        let _ = timeout(FAREWELL_MAX, self.leadership.resign()).await;
    }
}
