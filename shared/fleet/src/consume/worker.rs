use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::acknowledger::Acknowledger;
use super::breaker::{Breaker, Surroundings};
use super::budget::Budget;
use super::clock::Clock;
use super::dispatch::Dispatcher;
use super::halted::Halted;
use super::lease::Leases;
use super::ledger::Ledger;
use super::loops::Loops;
use super::pool::Pool;
use super::progress::Progress;
use super::receiver::Receiver;
use super::router::Consumer;
use super::station::{Limits, Station};
use super::successes::Successes;
use super::suspects::{Quarantine, Suspects};
use super::valve::Valve;
use crate::queue::Queue;
use crate::service::config::GroupPolicy;
use crate::service::failpoint;
use crate::service::health::Health;
use crate::service::metrics::ConsumerMetrics;
use crate::service::retry::Jitter;
use crate::service::shutdown::Shutdown;
use crate::service::supervise::Supervisor;
use crate::store::Store;

/// How long handlers that were cancelled may take to be settled.
const SETTLE_TAIL: Duration = Duration::from_secs(4);

/// How long rows of the ledger that an outage has kept back may hold up the end.
const LAST_ROWS_MAX: Duration = Duration::from_millis(500);

/// How long the shutdown may take after the grace, acknowledgements included.
const TAIL: Duration = Duration::from_secs(5);

/// The clients of one queue, apart so that none waits behind another.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Long-polls the queue.
    pub receive: Arc<dyn Queue>,
    /// Acknowledges.
    pub settle: Arc<dyn Queue>,
    /// Extends leases, on the runtime of its own that the supervisor of [`Worker::run`] has.
    pub lease: Arc<dyn Queue>,
    /// The dead-letter queue.
    pub dead_letters: Arc<dyn Queue>,
}

/// What a worker is made of beside its consumer.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The clients of its queue.
    pub queues: Queues,
    /// Its database.
    pub store: Arc<dyn Store>,
    /// Limits and names.
    pub limits: Limits,
    /// Where it shows that it lives.
    pub health: Health,
    /// Where messages run alone that a process did not survive; one for all consumers.
    pub quarantine: Quarantine,
    /// Where its randomness comes from.
    pub jitter: Jitter,
    /// The operators' pause.
    pub valve: Valve,
}

/// One consumer at work: receiver, pool, handlers, settlement.
#[derive(Debug)]
pub struct Worker {
    consumer: Consumer,
    parts: Parts,
    progress: Arc<Progress>,
    clock: Clock,
}

impl Worker {
    /// Puts a worker together; nothing runs yet.
    pub fn new(consumer: Consumer, parts: Parts) -> Self {
        Self {
            consumer,
            parts,
            progress: Arc::default(),
            clock: Clock::System,
        }
    }

    /// Replaces the system's clock, for a run on a paused runtime.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the view of its progress.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Returns its limits and names.
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// Returns the valve that stops its receiving.
    pub fn valve(&self) -> Valve {
        self.parts.valve.clone()
    }

    /// Receives, works and settles until the shutdown, then drains.
    ///
    /// `aside` runs what must go on when a handler blocks its thread: the
    /// heartbeats and the breaker's watch.
    ///
    /// After the shutdown's request nothing new is received; handlers have
    /// until its grace ends; acknowledgements go out last, within 5 s more.
    ///
    /// # Cancellation
    ///
    /// It must not be dropped: request the shutdown instead.
    pub async fn run(self, aside: &Handle, shutdown: &Shutdown) {
        let metrics = self.metrics();
        let ledger = Arc::new(Ledger::new(Arc::clone(&self.parts.store)));
        let breaker = self.breaker(&ledger);
        let Queues {
            receive,
            settle,
            lease,
            dead_letters,
        } = self.parts.queues;
        let (health, jitter) = (self.parts.health, self.parts.jitter);
        let loops = Loops::new(self.parts.limits.consumer, health.clone(), jitter.clone());

        let leases = Leases::new(self.parts.limits.visibility, metrics.clone());
        let apart = loops.supervisor(aside, &loops.all_is_done);
        loops.keep_leases(&apart, &leases, lease);
        loops.watch_breaker(&apart, &breaker);

        let work_is_over = CancellationToken::new();
        let acknowledger = Acknowledger::new(settle, metrics.clone(), jitter.clone());
        let acknowledging = loops.supervisor(&Handle::current(), &work_is_over);
        let acks = loops.acknowledge(&acknowledging, acknowledger, &work_is_over);

        let limits = self.parts.limits;
        let pool = Pool::new(limits.concurrency);
        let station = Arc::new(Station {
            clock: self.clock,
            store: self.parts.store,
            dead_letters,
            acks,
            ledger: Arc::clone(&ledger),
            suspects: Suspects::new(self.parts.quarantine, limits.concurrency),
            halted: halted(&limits, &metrics),
            breaker,
            valve: self.parts.valve,
            jitter,
            metrics,
            progress: self.progress,
            budget: Budget::new(limits.bytes_max),
            limits,
            successes: Successes::of(self.consumer.event_types()),
            stop_receiving: shutdown.stop_receiving.clone(),
            stop_working: shutdown.stop_working.clone(),
        });
        let dispatcher = Arc::new(Dispatcher::new(&self.consumer, Arc::clone(&station)));
        let receiver = Receiver {
            check: format!("queue {}", receive.name()),
            queue: receive,
            pool,
            leases,
            station,
            dispatcher: Arc::clone(&dispatcher),
            health,
        };
        let receiving = loops.supervisor(&Handle::current(), &shutdown.stop_receiving);
        loops.receive(&receiving, receiver, &shutdown.stop_receiving);

        let orderly = async {
            drain(&receiving, &dispatcher, shutdown).await;
            // The last chance for rows that an outage has kept back; without them nobody is charged.
            let _ = timeout(LAST_ROWS_MAX, ledger.write_held()).await;
            work_is_over.cancel();
            acknowledging.ended().await;
            failpoint::reach("shutdown.acknowledged");
        };
        if !in_time(orderly, &shutdown.stop_working, TAIL).await {
            tracing::error!("acknowledgements did not go out in time");
        }
        loops.end([receiving, acknowledging, apart]).await;
    }

    fn metrics(&self) -> ConsumerMetrics {
        let limits = &self.parts.limits;
        let metrics = ConsumerMetrics::new(&limits.queue, &self.consumer.event_types());
        metrics.concurrency_limit.set(gauge(limits.concurrency));
        metrics
    }

    fn breaker(&self, ledger: &Arc<Ledger>) -> Arc<Breaker> {
        let surroundings = Surroundings {
            queue: self.parts.limits.queue.clone(),
            ledger: Arc::clone(ledger),
            health: self.parts.health.clone(),
            jitter: self.parts.jitter.clone(),
            progress: Arc::clone(&self.progress),
        };
        Arc::new(Breaker::new(self.parts.limits.concurrency, surroundings))
    }
}

/// Waits until the receives under way are answered, and what they brought before is settled.
async fn drain(receiving: &Supervisor, dispatcher: &Dispatcher, shutdown: &Shutdown) {
    let work = async {
        receiving.ended().await;
        dispatcher.finish().await;
    };
    if !in_time(work, &shutdown.stop_working, SETTLE_TAIL).await {
        tracing::error!("work did not end in time and is left to its leases");
    }
    failpoint::reach("shutdown.drained");
}

/// Waits for work to end, and no longer than `tail` after it was cancelled; tells whether it has ended.
async fn in_time(
    work: impl Future<Output = ()>,
    stop_working: &CancellationToken,
    tail: Duration,
) -> bool {
    let overdue = async {
        stop_working.cancelled().await;
        sleep(tail).await;
    };
    tokio::select! {
        biased;
        () = work => true,
        () = overdue => false,
    }
}

/// Keeps account of groups that stand still, where they may.
fn halted(limits: &Limits, metrics: &ConsumerMetrics) -> Option<Halted> {
    let halts = limits.group_policy == Some(GroupPolicy::Halt);
    halts.then(|| Halted::new(&limits.queue, limits.handler_timeout, metrics.clone()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a pool has far fewer than 2^52 permits"
)]
fn gauge(permits: usize) -> f64 {
    permits as f64
}
