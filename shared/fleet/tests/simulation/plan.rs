use std::time::Duration;

use crate::chance::Chance;

/// Everything that a seed decides before its story begins.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) processes: usize,
    pub(crate) concurrency: usize,
    pub(crate) receive_wait: Duration,
    pub(crate) visibility: Duration,
    pub(crate) handler_timeout: Duration,
    pub(crate) attempts_max: u32,
    pub(crate) unknown_type_grace: Duration,
    /// How long a shutdown lets handlers go on.
    pub(crate) grace: Duration,
    pub(crate) fifo: bool,
    pub(crate) manner: Manner,
    /// The events; a message carries the index of its event.
    pub(crate) events: Vec<Kind>,
    pub(crate) messages: Vec<Sending>,
    /// How long everything may go wrong.
    pub(crate) storm: Duration,
    pub(crate) weather: Weather,
}

/// How the consumer's handlers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    OneByOne,
    /// The handlers have effects outside, so the inbox is always asked first.
    OutsideEffect,
    AtOnce,
}

/// What the handler of an event does, whenever it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Succeeds,
    /// Says that there is nothing to do, so there is no claim.
    NothingToDo,
    /// Fails so many times, then succeeds.
    Flaky(u32),
    Rejects,
    /// Takes longer than the handler timeout.
    TooSlow,
    Panics,
    /// Works for some seconds.
    Works(u64),
    /// Calls one of the dependencies.
    Calls(usize),
    Undecodable,
    UnknownType,
    /// Takes its process along.
    Poison,
}

/// One message that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) event: usize,
    pub(crate) at: Duration,
    /// Its group, on a FIFO queue.
    pub(crate) group: u64,
}

/// How often things go wrong while the storm lasts; each is off in about half of the seeds, so
/// that faults are also seen alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// Calls of a thousand that fail, of each way.
    pub(crate) queue: u64,
    pub(crate) store: u64,
    /// Calls of a thousand that take seconds.
    pub(crate) slow: u64,
    /// Calls of a thousand before which other tasks run first.
    pub(crate) yields: u64,
    /// Receives of a thousand that bring a message once more.
    pub(crate) ghosts: u64,
    // What the driver does, of a thousand of its looks.
    pub(crate) crashes: u64,
    pub(crate) shutdowns: u64,
    pub(crate) pauses: u64,
    /// Of the operators, who shut and open valves.
    pub(crate) valves: u64,
    pub(crate) stalls: u64,
    pub(crate) queue_outages: u64,
    pub(crate) store_outages: u64,
    pub(crate) dependency_outages: u64,
    /// Messages that somebody makes visible while they are worked on.
    pub(crate) exposures: u64,
}

/// Dependencies beside the database.
pub(crate) const DEPENDENCIES: [&str; 2] = ["mail", "bank"];

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let chance = &mut Chance::new(seed, 1);
        let receive_wait = Duration::from_secs(chance.pick(&[1, 2, 5, 10, 20]));
        let lease_min = 2 * (receive_wait.as_secs() + 5);
        let attempts_max = u32::try_from(chance.within(1..=5)).expect("it is small");
        let storm = chance.secs(20..=120);
        let manner = chance.pick(&[Manner::OneByOne, Manner::OutsideEffect, Manner::AtOnce]);
        let handler_timeout = chance.secs(4..=40);
        let events: Vec<_> = (0..chance.within(4..=20))
            .map(|_| kind(chance, manner, attempts_max, handler_timeout))
            .collect();
        let groups = chance.within(1..=5);
        let messages = sendings(chance, events.len(), groups, storm);
        Self {
            seed,
            processes: chance.pick(&[1, 1, 2, 2, 3, 4]),
            concurrency: chance.index(10) + 1,
            receive_wait,
            visibility: chance.secs(lease_min..=lease_min + 30),
            handler_timeout,
            attempts_max,
            unknown_type_grace: chance.secs(30..=120),
            grace: chance.secs(2..=30),
            fifo: chance.permille(250),
            manner,
            events,
            messages,
            storm,
            weather: Weather::of(chance),
        }
    }

    pub(crate) fn queue_name(&self) -> &'static str {
        if self.fifo { "jobs.fifo" } else { "jobs" }
    }
}

impl Weather {
    fn of(chance: &mut Chance) -> Self {
        let mut rate = |most: u64| match chance.permille(500) {
            true => chance.within(1..=most),
            false => 0,
        };
        Self {
            queue: rate(60),
            store: rate(60),
            slow: rate(100),
            yields: rate(800),
            ghosts: rate(100),
            crashes: rate(80),
            shutdowns: rate(60),
            pauses: rate(40),
            valves: rate(40),
            stalls: rate(20),
            queue_outages: rate(40),
            store_outages: rate(40),
            dependency_outages: rate(60),
            exposures: rate(60),
        }
    }
}

fn kind(chance: &mut Chance, manner: Manner, attempts_max: u32, timeout: Duration) -> Kind {
    let dependency = chance.index(DEPENDENCIES.len());
    let runs_before = u32::try_from(chance.index(attempts_max as usize)).expect("it is small");
    let seconds = chance.within(1..=timeout.as_secs() / 2);
    match chance.within(0..=17) {
        0..=4 => Kind::Succeeds,
        5 if manner != Manner::AtOnce => Kind::NothingToDo,
        6 | 7 => Kind::Flaky(runs_before),
        8 => Kind::Rejects,
        9 => Kind::TooSlow,
        10 => Kind::Panics,
        11 | 12 => Kind::Works(seconds),
        13 | 14 => Kind::Calls(dependency),
        15 => Kind::Undecodable,
        16 => Kind::UnknownType,
        17 => Kind::Poison,
        _ => Kind::Succeeds,
    }
}

/// Sends each event once, and some once more, most of them at the start.
fn sendings(chance: &mut Chance, events: usize, groups: u64, storm: Duration) -> Vec<Sending> {
    let latest = u64::try_from(storm.as_millis()).unwrap_or(u64::MAX);
    let mut sendings = Vec::new();
    for event in 0..events {
        let copies = if chance.permille(150) { 2 } else { 1 };
        let group = chance.within(1..=groups);
        for _ in 0..copies {
            let is_early = chance.permille(600);
            let at = chance.millis(0..=if is_early { 1 } else { latest });
            sendings.push(Sending { event, at, group });
        }
    }
    sendings.sort_by_key(|sending| sending.at);
    sendings
}
