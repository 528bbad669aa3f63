use std::sync::Arc;
use std::time::Duration;

use fleet::consume::{Clock, Limits, Parts, Quarantine, Queues, Valve, Worker};
use fleet::queue::Queue;
use fleet::service::config::{GroupPolicy, LogSuccess};
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::store::Store;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::handlers::{CONSUMER, consumer};
use crate::process::Process;
use crate::queue::{Role, ShakyQueue};
use crate::store::ShakyStore;
use crate::surroundings::Surroundings;

/// How much longer than its grace a process may take to end: 5 s to settle and flush, 1 s for
/// its loops, and a little for the tasks between them.
const TAIL_MAX: Duration = Duration::from_millis(6_100);

/// How long after its grace a process leaves what is not settled to its leases.
const SETTLE_TAIL: Duration = Duration::from_secs(4);

/// What a process is put together from, for those who want to put something in between.
pub(crate) struct Rig {
    pub(crate) process: Arc<Process>,
    pub(crate) receive: Arc<dyn Queue>,
    pub(crate) settle: Arc<dyn Queue>,
    pub(crate) lease: Arc<dyn Queue>,
    pub(crate) dead_letters: Arc<dyn Queue>,
    pub(crate) store: Arc<dyn Store>,
}

/// Puts something between a process and the world; mutants do.
pub(crate) type Rigging = fn(Rig) -> Rig;

/// A process of the fleet that was started.
pub(crate) struct Member {
    pub(crate) process: Arc<Process>,
    pub(crate) valve: Valve,
    health: Health,
    running: JoinHandle<()>,
    /// When it was asked to end.
    asked_at: Option<Instant>,
}

impl Member {
    pub(crate) fn start(number: u32, around: &Surroundings) -> Self {
        let world = &around.world;
        let process = Process::new(number, world);
        process.note("starts", &[]);
        let (health, valve) = (Health::new(), Valve::default());
        let worker = Worker::new(consumer(&process), parts(&process, around, &health, &valve));
        let worker = worker.with_clock(Clock::Runtime {
            epoch: around.epoch,
            start: world.start,
        });
        process.follow(worker.progress());
        let shutdown = process.shutdown.clone();
        let running = tokio::spawn(async move {
            let enforced = async {
                shutdown.enforce_grace().await;
                std::future::pending().await
            };
            let aside = Handle::current();
            tokio::select! {
                biased;
                () = worker.run(&aside, &shutdown) => {}
                () = enforced => {}
            }
        });
        Self {
            process,
            valve,
            health,
            running,
            asked_at: None,
        }
    }

    pub(crate) fn ask_to_end(&mut self) {
        self.process.note("is asked to end", &[]);
        self.process.shutdown.request();
        self.asked_at = Some(Instant::now());
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.asked_at.is_some()
    }

    /// Looks whether it has ended as it was asked to, and in order; `stalled_at` is when time
    /// last jumped, which makes every clock late.
    pub(crate) fn has_left(&self, stalled_at: Option<Instant>) -> bool {
        let Some(asked_at) = self.asked_at else {
            return false;
        };
        let (process, world) = (&self.process, &self.process.world);
        let number = process.number;
        let has_jumped = stalled_at.is_some_and(|at| at >= asked_at);
        let late = asked_at.elapsed() > world.plan.grace + TAIL_MAX;
        if !self.running.is_finished() {
            if late && !has_jumped {
                let detail = format!("p{number} goes on {:?} after", asked_at.elapsed());
                world.broken("a shutdown ends in time", detail);
            }
            return false;
        }
        process.note("has ended", &[]);
        let held = process.in_flight();
        let in_its_own_time = asked_at.elapsed() < world.plan.grace + SETTLE_TAIL;
        if held > 0 && in_its_own_time {
            let detail = format!("p{number} ended with {held} in its hands");
            world.broken("permits are deliveries", detail);
        }
        process.end();
        true
    }

    /// Checks what holds of a process that has nothing to do.
    pub(crate) fn check_rest(&self) {
        let (process, world) = (&self.process, &self.process.world);
        let (number, held) = (process.number, process.in_flight());
        let wanted = world.plan.concurrency.min(10);
        let asked = process.asked_last();
        // A breaker that is half open lets one message through, and here none comes.
        if held > 0 || (asked != wanted && asked != 1) {
            let detail = format!("idle, p{number} has {held} and asks for {asked} of {wanted}");
            world.broken("every permit comes back", detail);
        }
        self.check_life();
    }

    /// Checks that its loops tick.
    pub(crate) fn check_life(&self) {
        let live = self.health.live();
        if !live.ok {
            let detail = format!("p{}: {:?}", self.process.number, live.loops);
            self.process.world.broken("no loop is ever stuck", detail);
        }
    }
}

fn parts(process: &Arc<Process>, around: &Surroundings, health: &Health, valve: &Valve) -> Parts {
    let plan = &process.world.plan;
    let shaky = |inner: &_, role| -> Arc<dyn Queue> {
        Arc::new(ShakyQueue {
            process: Arc::clone(process),
            inner: Clone::clone(inner),
            role,
        })
    };
    let rig = (around.rigging)(Rig {
        receive: shaky(&around.queue, Role::Receive),
        settle: shaky(&around.queue, Role::Settle),
        lease: shaky(&around.queue, Role::Lease),
        dead_letters: shaky(&around.dead, Role::DeadLetters),
        store: Arc::new(ShakyStore {
            process: Arc::clone(process),
            inner: around.store.clone(),
        }),
        process: Arc::clone(process),
    });
    Parts {
        queues: Queues {
            receive: rig.receive,
            settle: rig.settle,
            lease: rig.lease,
            dead_letters: rig.dead_letters,
        },
        store: rig.store,
        limits: Limits {
            consumer: CONSUMER,
            queue: plan.queue_name().to_owned(),
            version: String::new(),
            concurrency: plan.concurrency,
            handler_timeout: plan.handler_timeout,
            attempts_max: plan.attempts_max,
            receive_wait: plan.receive_wait,
            visibility: plan.visibility,
            unknown_type_grace: plan.unknown_type_grace,
            log_success: LogSuccess::None,
            rate_limit: None,
            group_policy: plan.fifo.then(GroupPolicy::default),
            bytes_max: Limits::BYTES_MAX,
        },
        health: health.clone(),
        jitter: Jitter::seeded(plan.seed.wrapping_add(u64::from(process.number))),
        valve: valve.clone(),
        quarantine: Quarantine::default(),
    }
}
