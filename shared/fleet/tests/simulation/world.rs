use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet::message::Message;
use tokio::time::{Instant, sleep_until};

use crate::chance::Chance;
use crate::chronicle::{Chronicle, Entry};
use crate::plan::{DEPENDENCIES, Plan, Weather};
use crate::truth::Truth;

/// What all processes of a story share beside the queue and the database.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) start: Instant,
    state: Mutex<State>,
}

/// What changes in the world.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) chance: Chance,
    pub(crate) chronicle: Chronicle,
    pub(crate) truth: Truth,
    /// All zero in the calm.
    pub(crate) weather: Weather,
    pub(crate) is_queue_down: bool,
    pub(crate) is_store_down: bool,
    pub(crate) dependencies_down: BTreeSet<&'static str>,
    /// What receives have brought, to bring it once more.
    pub(crate) brought: Vec<Message>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        let state = State {
            chance: Chance::new(plan.seed, 2),
            chronicle: Chronicle::default(),
            truth: Truth::new(&plan),
            weather: plan.weather.clone(),
            is_queue_down: false,
            is_store_down: false,
            dependencies_down: BTreeSet::new(),
            brought: Vec::new(),
        };
        Arc::new(Self {
            start: Instant::now(),
            state: Mutex::new(state),
            plan,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, process: u32, what: &'static str, messages: &[usize]) {
        let entry = Entry {
            at: self.start.elapsed(),
            process,
            what,
            messages: messages.to_vec(),
        };
        self.lock().chronicle.push(entry);
    }

    pub(crate) fn broken(&self, invariant: &'static str, detail: String) {
        self.lock().truth.broken(invariant, detail);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.lock().truth.violation().is_some()
    }

    /// Waits, on the paused clock.
    pub(crate) async fn rest(&self, time: Duration) {
        sleep_until(Instant::now() + time).await;
    }

    /// Returns how long one way of a call takes.
    pub(crate) fn latency(&self) -> Duration {
        let state = &mut *self.lock();
        match state.chance.permille(state.weather.slow) {
            true => state.chance.millis(200..=4_000),
            false => state.chance.millis(0..=20),
        }
    }

    /// Returns how many turns other tasks get before this one goes on.
    pub(crate) fn yields(&self) -> u64 {
        let state = &mut *self.lock();
        match state.chance.permille(state.weather.yields) {
            true => state.chance.within(1..=4),
            false => 0,
        }
    }

    pub(crate) fn is_dependency_down(&self, dependency: usize) -> bool {
        let name = DEPENDENCIES[dependency];
        self.lock().dependencies_down.contains(name)
    }

    /// Ends everything that goes wrong.
    pub(crate) fn calm_down(&self) {
        let state = &mut *self.lock();
        state.weather = Weather::default();
        state.is_queue_down = false;
        state.is_store_down = false;
        state.dependencies_down.clear();
    }
}
