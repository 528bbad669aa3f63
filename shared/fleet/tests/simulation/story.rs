use std::time::Duration;

use fleet::queue::Queue as _;
use tokio::runtime::Builder;
use tokio::time::{Instant, advance};

use crate::chance::Chance;
use crate::chronicle::Chronicle;
use crate::member::{Member, Rigging};
use crate::plan::{DEPENDENCIES, Plan};
use crate::surroundings::Surroundings;
use crate::truth::Violation;
use crate::world::World;

/// How long it may take in the calm until every message has ended: delays that grew with the
/// receives in the storm, and then all attempts.
const CALM_MAX: Duration = Duration::from_secs(3_600);

/// How often an outage ends and a dead process is started again, of a thousand looks.
const RECOVERIES: u64 = 150;

/// What happened in the story of a seed.
pub(crate) struct Story {
    pub(crate) chronicle: Chronicle,
    pub(crate) violation: Option<Violation>,
}

/// The one who lets things happen.
struct Director {
    around: Surroundings,
    chance: Chance,
    members: Vec<Member>,
    started: u32,
    sent: usize,
    stalled_at: Option<Instant>,
}

/// Tells the story of a seed from its beginning to its end, or to the first broken promise.
pub(crate) fn tell(seed: u64, rigging: Rigging) -> Story {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let world = World::new(Plan::of(seed));
        let mut director = Director {
            around: Surroundings::new(world.clone(), rigging).await,
            chance: Chance::new(seed, 3),
            members: Vec::new(),
            started: 0,
            sent: 0,
            stalled_at: None,
        };
        director.direct().await;
        let state = &mut *world.lock();
        Story {
            chronicle: std::mem::take(&mut state.chronicle),
            violation: state.truth.violation().cloned(),
        }
    })
}

impl Director {
    async fn direct(&mut self) {
        for _ in 0..self.around.world.plan.processes {
            self.start();
        }
        if self.storm().await && self.calm().await {
            self.end().await;
        }
    }

    /// Lets everything go wrong for a while; tells whether all promises were kept.
    async fn storm(&mut self) -> bool {
        let world = self.around.world.clone();
        while world.start.elapsed() < world.plan.storm {
            self.send_due().await;
            self.meddle().await;
            world.rest(self.chance.millis(50..=1_500)).await;
            if !self.look() {
                return false;
            }
        }
        true
    }

    /// Lets everything come to its end.
    async fn calm(&mut self) -> bool {
        let world = self.around.world.clone();
        world.calm_down();
        world.note(0, "calms down", &[]);
        self.send_due().await;
        for member in &self.members {
            member.process.recover();
            member.valve.open();
        }
        let limit = Instant::now() + CALM_MAX;
        while self.around.backlog().await > 0 {
            if self.staying() < world.plan.processes {
                self.start();
            }
            world.rest(Duration::from_secs(1)).await;
            if !self.look() {
                return false;
            }
            if Instant::now() > limit {
                let backlog = self.around.backlog().await;
                world.broken(
                    "every message ends exactly once",
                    format!("{backlog} are left"),
                );
                return false;
            }
        }
        // The receives under way were sent before the last permits came back.
        world
            .rest(2 * world.plan.receive_wait + Duration::from_secs(12))
            .await;
        let staying = self.members.iter().filter(|member| !member.is_leaving());
        staying.for_each(Member::check_rest);
        self.look()
    }

    async fn end(&mut self) {
        let world = self.around.world.clone();
        for member in &mut self.members {
            if !member.is_leaving() {
                member.ask_to_end();
            }
        }
        while !self.members.is_empty() {
            world.rest(Duration::from_secs(1)).await;
            if !self.look() {
                return;
            }
        }
        self.around.check_dead().await;
        world.lock().truth.judge();
    }

    /// Checks what always holds, and tells whether it does.
    fn look(&mut self) -> bool {
        let world = &self.around.world;
        world.lock().truth.look();
        self.members.retain(|member| !member.process.is_dead());
        for member in &self.members {
            member.process.check_permits();
            if self
                .stalled_at
                .is_none_or(|at| at.elapsed() > Duration::from_secs(10))
            {
                member.check_life();
            }
        }
        let stalled_at = self.stalled_at;
        self.members.retain(|member| !member.has_left(stalled_at));
        !world.is_broken()
    }

    fn start(&mut self) {
        self.started += 1;
        let member = Member::start(self.started, &self.around);
        self.members.push(member);
    }

    async fn send_due(&mut self) {
        let world = self.around.world.clone();
        let is_calm = world.start.elapsed() >= world.plan.storm;
        while let Some(sending) = world.plan.messages.get(self.sent) {
            if !is_calm && world.start.elapsed() < sending.at {
                return;
            }
            self.around.send(sending).await;
            self.sent += 1;
        }
    }

    async fn meddle(&mut self) {
        let weather = self.around.world.plan.weather.clone();
        if self.staying() < self.around.world.plan.processes && self.chance.permille(2 * RECOVERIES)
        {
            self.start();
        }
        if self.chance.permille(weather.crashes)
            && let Some(at) = self.somebody()
        {
            let passes = self.chance.within(0..=40);
            self.members[at].process.doom(passes);
        }
        if self.chance.permille(weather.shutdowns)
            && let Some(at) = self.somebody()
            && !self.members[at].is_leaving()
        {
            self.members[at].ask_to_end();
        }
        if self.chance.permille(weather.pauses)
            && let Some(at) = self.somebody()
        {
            let time = self.chance.secs(1..=90);
            let process = &self.members[at].process;
            process.note("stands still", &[]);
            process.stand_still_until(Instant::now() + time);
        }
        if self.chance.permille(weather.valves)
            && let Some(at) = self.somebody()
        {
            match self.chance.permille(500) {
                true => self.members[at].valve.shut(None),
                false => self.members[at].valve.open(),
            }
        }
        self.take_down();
        if self.chance.permille(weather.exposures) {
            self.expose().await;
        }
        if self.chance.permille(weather.stalls) {
            self.around.world.note(0, "time jumps", &[]);
            advance(self.chance.secs(1..=90)).await;
            self.stalled_at = Some(Instant::now());
        }
    }

    /// Takes things down, and brings them back.
    fn take_down(&mut self) {
        let world = &self.around.world;
        let weather = &world.plan.weather;
        let mut state = world.lock();
        let turns = |chance: &mut Chance, is_down: bool, rate: u64| match is_down {
            true => chance.permille(RECOVERIES),
            false => chance.permille(rate),
        };
        let mut notes = Vec::new();
        if turns(&mut self.chance, state.is_queue_down, weather.queue_outages) {
            state.is_queue_down = !state.is_queue_down;
            notes.push(if state.is_queue_down {
                "SQS is down"
            } else {
                "SQS is back"
            });
        }
        if turns(&mut self.chance, state.is_store_down, weather.store_outages) {
            state.is_store_down = !state.is_store_down;
            notes.push(if state.is_store_down {
                "Postgres is down"
            } else {
                "Postgres is back"
            });
        }
        for name in DEPENDENCIES {
            let is_down = state.dependencies_down.contains(name);
            if turns(&mut self.chance, is_down, weather.dependency_outages) {
                notes.push(if is_down {
                    "a dependency is back"
                } else {
                    "a dependency is down"
                });
                if !state.dependencies_down.remove(name) {
                    state.dependencies_down.insert(name);
                }
            }
        }
        drop(state);
        notes.into_iter().for_each(|note| world.note(0, note, &[]));
    }

    /// Makes a message visible that may be worked on.
    async fn expose(&mut self) {
        let world = &self.around.world;
        let receipt = {
            let state = world.lock();
            let at = self.chance.index(state.brought.len());
            state.brought.get(at).map(|message| message.receipt.clone())
        };
        if let Some(receipt) = receipt {
            let message = world.lock().truth.of_receipt(&receipt.0);
            world.note(0, "exposes", message.as_slice());
            let change = [(receipt, Duration::ZERO)];
            drop(self.around.queue.change_visibility(&change).await);
        }
    }

    /// Counts the processes that nobody asked to end.
    fn staying(&self) -> usize {
        let staying = self.members.iter().filter(|member| !member.is_leaving());
        staying.count()
    }

    fn somebody(&mut self) -> Option<usize> {
        let count = self.members.len();
        (count > 0).then(|| self.chance.index(count))
    }
}
