use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::consume::{Clock, Limits, Parts, Progress, Quarantine, Queues, Valve, Worker};
use fleet::message::{Attributes, EventKey, Failure, Message, NewEvent, Outgoing};
use fleet::queue::{Queue, QueueAttributes};
use fleet::service::config::{GroupPolicy, LogSuccess};
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::service::shutdown::Shutdown;
use fleet::store::MemoryStore;
use fleet::testing::queue::LocalQueue;
use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use serde::{Deserialize, Serialize};
use sqs_local::{Settings, Sqs};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, timeout};

use crate::meddler::Meddler;

/// No story takes longer, on the paused clock.
const STORY_MAX: Duration = Duration::from_secs(48 * 3600);

pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// A job that says what its handler has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) act: Act,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Succeed,
    /// Needs no claim.
    Nothing,
    Retry,
    RetryAfter(u64),
    /// Fails until this attempt.
    SucceedAt(u32),
    Reject,
    /// Is refused while something is down.
    RejectWhile(String),
    /// Fails while something is down.
    RetryWhile(String),
    Panic,
    /// Works for ever, and panics when it is cancelled.
    PanicWhenDropped,
    /// Works so many seconds.
    Work(u64),
    /// Waits for [`Stage::gate`].
    Wait,
    /// Calls a dependency.
    Call(String),
}

impl Event for Job {
    const TYPE: &'static str = "job";
}

/// What the handlers of a stage did.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The event and the number of each attempt, with its time.
    pub(crate) runs: watch::Sender<Vec<(String, u32, Instant)>>,
    pub(crate) ends: watch::Sender<usize>,
    at_once: Mutex<(usize, usize)>,
    down: Mutex<BTreeSet<String>>,
}

/// Counts a handler as running.
struct Running<'j>(&'j Journal);

/// Does what each job says.
pub(crate) struct Obedient {
    journal: Arc<Journal>,
    gate: Arc<Semaphore>,
}

struct PanicsWhenDropped;

/// A worker with everything around it, on the paused clock.
pub(crate) struct Stage {
    pub(crate) queue: LocalQueue,
    pub(crate) dead: LocalQueue,
    pub(crate) receiving: Meddler,
    pub(crate) settling: Meddler,
    pub(crate) leasing: Meddler,
    pub(crate) burying: Meddler,
    pub(crate) store: MemoryStore,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    pub(crate) valve: Valve,
    pub(crate) journal: Arc<Journal>,
    /// Each permit lets one waiting job go on.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) limits: Limits,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::on("jobs").await
    }

    pub(crate) async fn on(name: &str) -> Self {
        crate::records::subscribe();
        let sqs = Sqs::new(Settings::default());
        let (queue, dead) = LocalQueue::pair(&sqs, name).await;
        let limits = Limits {
            consumer: "jobs",
            queue: name.to_owned(),
            version: "1.0.0 (test)".to_owned(),
            concurrency: 16,
            handler_timeout: Duration::from_secs(30),
            attempts_max: 5,
            receive_wait: Duration::from_secs(20),
            visibility: Duration::from_secs(60),
            unknown_type_grace: Duration::from_secs(3600),
            rate_limit: None,
            bytes_max: Limits::BYTES_MAX,
            group_policy: name.ends_with(".fifo").then(GroupPolicy::default),
            log_success: LogSuccess::All,
        };
        Self {
            receiving: Meddler::new(&queue),
            settling: Meddler::new(&queue),
            leasing: Meddler::new(&queue),
            burying: Meddler::new(&dead),
            queue,
            dead,
            store: MemoryStore::new(),
            health: Health::new(),
            shutdown: Shutdown::new(GRACE),
            valve: Valve::default(),
            journal: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            limits,
        }
    }

    /// Returns the stage of another process on the same queue and database.
    pub(crate) fn beside(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            dead: self.dead.clone(),
            receiving: Meddler::new(&self.queue),
            settling: Meddler::new(&self.queue),
            leasing: Meddler::new(&self.queue),
            burying: Meddler::new(&self.dead),
            store: self.store.clone(),
            health: Health::new(),
            shutdown: Shutdown::new(GRACE),
            valve: Valve::default(),
            journal: Arc::clone(&self.journal),
            gate: Arc::clone(&self.gate),
            limits: self.limits.clone(),
        }
    }

    /// Starts a worker for jobs.
    pub(crate) fn start(&self) -> Play {
        self.start_with(|consumer| consumer.handler(self.obedient()))
    }

    pub(crate) fn obedient(&self) -> Obedient {
        Obedient {
            journal: Arc::clone(&self.journal),
            gate: Arc::clone(&self.gate),
        }
    }

    /// Starts a worker with other handlers.
    pub(crate) fn start_with(&self, add: impl FnOnce(Consumer) -> Consumer) -> Play {
        let parts = Parts {
            queues: Queues {
                receive: Arc::new(self.receiving.clone()),
                settle: Arc::new(self.settling.clone()),
                lease: Arc::new(self.leasing.clone()),
                dead_letters: Arc::new(self.burying.clone()),
            },
            store: Arc::new(self.store.clone()),
            limits: self.limits.clone(),
            health: self.health.clone(),
            jitter: Jitter::seeded(7),
            valve: self.valve.clone(),
            quarantine: Quarantine::default(),
        };
        let worker =
            Worker::new(add(Consumer::new("jobs")), parts).with_clock(Clock::following_runtime());
        let (progress, shutdown) = (worker.progress(), self.shutdown.clone());
        let enforcing = shutdown.clone();
        let running = tokio::spawn(async move {
            let aside = Handle::current();
            tokio::select! {
                () = worker.run(&aside, &shutdown) => {}
                () = async { enforcing.enforce_grace().await; std::future::pending().await } => {}
            }
        });
        Play { progress, running }
    }

    /// Sends jobs whose ids count from 0.
    pub(crate) async fn send(&self, jobs: impl IntoIterator<Item = Act>) {
        for (index, act) in jobs.into_iter().enumerate() {
            self.send_as(&index.to_string(), act).await;
        }
    }

    pub(crate) async fn send_as(&self, id: &str, act: Act) {
        let event = NewEvent::new(EventKey::new("/test", id), &Job { act }).unwrap();
        self.send_message(event.to_message()).await;
    }

    /// Sends a job to a group, deduplicated by its id.
    pub(crate) async fn send_to(&self, group: &str, id: &str, act: Act) {
        let event = NewEvent::new(EventKey::new("/test", id), &Job { act }).unwrap();
        let mut message = event.to_message();
        message.group_id = Some(group.to_owned());
        message.deduplication_id = self.queue.is_fifo().then(|| id.to_owned());
        self.send_message(message).await;
    }

    pub(crate) async fn send_message(&self, mut message: Outgoing) {
        if self.queue.is_fifo() && message.group_id.is_none() {
            message.group_id = Some("g".to_owned());
        }
        if self.queue.is_fifo() && message.deduplication_id.is_none() {
            let end = message.body.len().saturating_sub(100);
            message.deduplication_id = message.body.get(end..).map(str::to_owned);
        }
        let sent = self.queue.send(&[message]).await.unwrap();
        sent.into_iter().for_each(|entry| drop(entry.unwrap()));
    }

    /// Waits until the queue holds nothing any more.
    pub(crate) async fn is_empty(&self) {
        self.until("the queue is empty", |counts| total(counts) == 0)
            .await;
    }

    /// Waits until the queue's counts fulfil a condition.
    pub(crate) async fn until(&self, what: &str, is_met: impl Fn(&QueueAttributes) -> bool) {
        let mut looks = interval(Duration::from_millis(100));
        let met = async {
            while !is_met(&self.queue.attributes().await.unwrap()) {
                looks.tick().await;
            }
        };
        timeout(STORY_MAX, met)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Waits until the dead-letter queue has so many messages, and takes them.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Message> {
        let mut dead = Vec::new();
        let all = async {
            while dead.len() < count {
                dead.extend(
                    self.dead
                        .receive(10, Duration::from_secs(20))
                        .await
                        .unwrap(),
                );
            }
        };
        timeout(STORY_MAX, all).await.unwrap();
        dead
    }

    pub(crate) async fn dead_letter(&self) -> (Message, Failure) {
        let mut dead = self.dead_letters(1).await.remove(0);
        let failure = *dead.failure.take().expect("the copy says why it is dead");
        (dead, failure)
    }

    pub(crate) async fn dead_count(&self) -> u64 {
        total(&self.dead.attributes().await.unwrap())
    }

    /// Returns the ids of events whose effect is committed.
    pub(crate) fn processed(&self) -> Vec<String> {
        let keys = self.store.processed("jobs");
        keys.into_iter().map(|key| key.id).collect()
    }

    pub(crate) fn charged(&self) -> usize {
        let attempts = self.store.attempts();
        attempts
            .iter()
            .filter(|row| row.outcome.is_charged())
            .count()
    }
}

/// A worker at work.
pub(crate) struct Play {
    pub(crate) progress: Arc<Progress>,
    pub(crate) running: JoinHandle<()>,
}

impl Play {
    /// Asks the worker to end, and returns how long that took.
    pub(crate) async fn end(self, stage: &Stage) -> Duration {
        let asked = Instant::now();
        stage.shutdown.request();
        self.running.await.unwrap();
        assert!(
            stage.health.live().loops.is_empty(),
            "no loop is left behind"
        );
        asked.elapsed()
    }
}

impl Journal {
    /// Waits until handlers were started so often.
    pub(crate) async fn started(&self, count: usize) {
        let mut runs = self.runs.subscribe();
        let started = runs.wait_for(|runs| runs.len() >= count);
        timeout(STORY_MAX, started).await.unwrap().unwrap();
    }

    /// Waits until handlers have ended so often, be it by being dropped.
    pub(crate) async fn ended(&self, count: usize) {
        let mut ends = self.ends.subscribe();
        let ended = ends.wait_for(|ends| *ends >= count);
        timeout(STORY_MAX, ended).await.unwrap().unwrap();
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.borrow().len()
    }

    /// Returns the most handlers that ever ran at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.at_once.lock().unwrap().1
    }

    pub(crate) fn set_down(&self, dependency: &str, is_down: bool) {
        let mut down = self.down.lock().unwrap();
        if is_down {
            down.insert(dependency.to_owned());
        } else {
            down.remove(dependency);
        }
    }

    pub(crate) fn is_down(&self, dependency: &str) -> bool {
        self.down.lock().unwrap().contains(dependency)
    }

    fn begin(&self, id: &str, attempt: u32) -> Running<'_> {
        let mut at_once = self.at_once.lock().unwrap();
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
        drop(at_once);
        let run = (id.to_owned(), attempt, Instant::now());
        self.runs.send_modify(|runs| runs.push(run));
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.at_once.lock().unwrap().0 -= 1;
        self.0.ends.send_modify(|ends| *ends += 1);
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

impl Handler for Obedient {
    type Event = Job;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        let _running = self.journal.begin(&job.key.id, cx.attempt());
        match job.data.act {
            Act::Succeed => {}
            Act::Nothing => return Ok(cx.nothing_to_do()),
            Act::Retry => return Err(HandlerError::retryable("flaky")),
            Act::RetryAfter(seconds) => {
                let after = Duration::from_secs(seconds);
                return Err(HandlerError::retryable("flaky").retry_after(after));
            }
            Act::SucceedAt(attempt) if cx.attempt() < attempt => {
                return Err(HandlerError::retryable("flaky"));
            }
            Act::SucceedAt(_) => {}
            Act::Reject => {
                return Err(HandlerError::permanent("no customer").with_detail("line 3"));
            }
            Act::RejectWhile(broken) if self.journal.is_down(&broken) => {
                return Err(HandlerError::permanent("no customer"));
            }
            Act::RetryWhile(broken) if self.journal.is_down(&broken) => {
                return Err(HandlerError::retryable("flaky"));
            }
            Act::RejectWhile(_) | Act::RetryWhile(_) => {}
            Act::Panic => panic!("a bug of the handler"),
            Act::PanicWhenDropped => {
                let _bomb = PanicsWhenDropped;
                std::future::pending::<()>().await;
            }
            Act::Work(seconds) => {
                let work = std::future::pending::<()>();
                let _ = timeout(Duration::from_secs(seconds), work).await;
            }
            Act::Wait => self.gate.acquire().await.unwrap().forget(),
            Act::Call(dependency) => {
                if self.journal.is_down(&dependency) {
                    return Err(HandlerError::unavailable(dependency));
                }
            }
        }
        let tx = cx.begin().await?;
        Ok(tx.finish())
    }
}

pub(crate) fn total(counts: &QueueAttributes) -> u64 {
    counts.visible + counts.in_flight + counts.delayed
}

/// Makes a message of a body and text attributes.
pub(crate) fn message(body: &str, attributes: &[(&str, &str)]) -> Outgoing {
    let attributes: Attributes = attributes
        .iter()
        .map(|(name, value)| {
            let value = fleet::message::AttributeValue::string(*value);
            ((*name).to_owned(), value)
        })
        .collect();
    Outgoing {
        attributes,
        ..Outgoing::new(body)
    }
}
