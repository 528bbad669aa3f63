use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet::consume::Progress;
use fleet::service::shutdown::Shutdown;
use fleet::store::Transaction;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// How often a process that stands still looks whether it may go on.
const LOOK: Duration = Duration::from_secs(1);

/// A process of the fleet, which can die at every await of its calls and handlers.
///
/// Once it is dead nothing that it does has any effect: its calls never return,
/// and its open transactions are rolled back.
pub(crate) struct Process {
    /// From 1, in the order of their starts.
    pub(crate) number: u32,
    pub(crate) world: Arc<World>,
    pub(crate) shutdown: Shutdown,
    dead: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Passes until it dies.
    doom: Option<u64>,
    stands_still_until: Option<Instant>,
    transactions: BTreeMap<u64, Box<dyn Transaction>>,
    transactions_begun: u64,
    progress: Option<Arc<Progress>>,
    /// Messages that receives under way may bring, and what the last receive asked for.
    asked: usize,
    asked_last: usize,
}

impl Process {
    pub(crate) fn new(number: u32, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            number,
            world: Arc::clone(world),
            shutdown: Shutdown::new(world.plan.grace),
            dead: CancellationToken::new(),
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, what: &'static str, messages: &[usize]) {
        self.world.note(self.number, what, messages);
    }

    /// Passes a point at which a process may be dead, stand still, or die.
    pub(crate) async fn pass(&self) {
        for _ in 0..self.world.yields() {
            yield_now().await;
        }
        loop {
            if self.dead.is_cancelled() {
                return pending().await;
            }
            let until = self.lock().stands_still_until;
            match until.filter(|until| Instant::now() < *until) {
                Some(until) => sleep_until(until.min(Instant::now() + LOOK)).await,
                None => break,
            }
        }
        let dies = match &mut self.lock().doom {
            Some(0) => true,
            Some(passes) => {
                *passes -= 1;
                false
            }
            None => false,
        };
        if dies {
            self.die();
            pending().await
        }
    }

    /// Does something that ends with the process.
    pub(crate) async fn alive<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.dead.cancelled() => {}
            done = work => return done,
        }
        pending().await
    }

    /// Lets it die after so many passes.
    pub(crate) fn doom(&self, passes: u64) {
        self.lock().doom = Some(passes);
    }

    pub(crate) fn stand_still_until(&self, until: Instant) {
        self.lock().stands_still_until = Some(until);
    }

    /// Ends what it suffers from.
    pub(crate) fn recover(&self) {
        let mut state = self.lock();
        state.doom = None;
        state.stands_still_until = None;
    }

    /// Kills it at once.
    pub(crate) fn die(&self) {
        if self.dead.is_cancelled() {
            return;
        }
        self.note("dies", &[]);
        self.end();
    }

    /// Sees to it that nothing more comes from it.
    pub(crate) fn end(&self) {
        self.dead.cancel();
        self.world.lock().truth.died(self.number);
        let open = std::mem::take(&mut self.lock().transactions);
        drop(open);
        // Its tasks find their way out by themselves, without effect.
        self.shutdown.request();
        self.shutdown.stop_working.cancel();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Keeps a transaction until it is committed or the process dies.
    pub(crate) fn keep(&self, transaction: Box<dyn Transaction>) -> u64 {
        let mut state = self.lock();
        state.transactions_begun += 1;
        let number = state.transactions_begun;
        state.transactions.insert(number, transaction);
        number
    }

    pub(crate) fn take(&self, number: u64) -> Option<Box<dyn Transaction>> {
        self.lock().transactions.remove(&number)
    }

    pub(crate) fn follow(&self, progress: Arc<Progress>) {
        self.lock().progress = Some(progress);
    }

    /// Returns how many messages are in its hands.
    pub(crate) fn in_flight(&self) -> u64 {
        let state = self.lock();
        let snapshot = state.progress.as_ref().map(|progress| progress.snapshot());
        snapshot.map_or(0, |snapshot| snapshot.received - snapshot.settled)
    }

    /// Notes that a receive was sent, or is over.
    pub(crate) fn asks(&self, count: usize) {
        let mut state = self.lock();
        state.asked += count;
        state.asked_last = count;
    }

    pub(crate) fn asked(&self, count: usize) {
        self.lock().asked -= count;
    }

    pub(crate) fn asked_last(&self) -> usize {
        self.lock().asked_last
    }

    /// Checks that nothing is asked for or held without a permit.
    pub(crate) fn check_permits(&self) {
        let asked = self.lock().asked as u64;
        let (held, most) = (self.in_flight(), self.world.plan.concurrency as u64);
        if held + asked > most {
            let number = self.number;
            let detail = format!("p{number} has {held} and asks for {asked}, of {most}");
            self.world.broken("permits are deliveries", detail);
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.number)
    }
}
