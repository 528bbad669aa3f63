//! What is done to the fleet, to whom and when: a pure function of the seed and the terms.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How long a stopped process is stopped, in milliseconds: always longer than a lease of 12 s.
const STOP_MILLIS: std::ops::Range<u64> = 13_000..16_000;

/// The share of stopped processes that are killed while they are stopped.
const KILLED_STOPPED_SHARE: f64 = 0.3;

/// Storm for each process that is stopped: some are always at work.
const STOP_PERIOD: Duration = Duration::from_secs(25);

/// Storm for each process that is asked to end.
const TERMINATE_PERIOD: Duration = Duration::from_secs(6);

/// How long a process that is asked to end is left alone.
const TERMINATE_SPAN: Duration = Duration::from_secs(4);

/// Storm for each time that Postgres only reads.
const READ_ONLY_PERIOD: Duration = Duration::from_secs(30);

/// How long it only reads, in milliseconds.
const READ_ONLY_MILLIS: std::ops::Range<u64> = 1_000..2_000;

/// Kills come in this part of the storm: first something has to run.
const KILLS_FROM: f64 = 0.02;

/// How likely a COMMIT loses its answer.
pub const LOST_COMMIT_RATE: f64 = 0.004;

/// What an attack is to consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Where all chance comes from.
    pub seed: u64,
    /// How long it lasts.
    pub storm: Duration,
    /// The least number of SIGKILLs.
    pub kills: u32,
    /// How often Postgres crashes.
    pub crashes: u32,
    /// How many processes there are to attack.
    pub members: usize,
}

/// What is done to one process; processes are known by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill(usize),
    /// SIGSTOP.
    Stop(usize),
    /// SIGCONT.
    Continue(usize),
    /// SIGTERM.
    Terminate(usize),
}

/// What is done to Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shock {
    /// It is killed, and started again at once.
    Crash,
    /// It refuses to write.
    ReadOnly,
    /// It writes again.
    Writable,
}

/// Something and its time, counted from the start of the storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike<T> {
    /// When.
    pub at: Duration,
    /// What.
    pub what: T,
}

/// An attack; when the storm is over, everything is let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What becomes of the processes, in order.
    pub blows: Vec<Strike<Blow>>,
    /// What becomes of Postgres, in order.
    pub shocks: Vec<Strike<Shock>>,
    /// What becomes of calls to SQS, as a fault plan of sqs-local.
    pub faults: String,
}

/// When each process is left alone, because it is stopped or ending.
struct Occupied(Vec<(usize, Duration, Duration)>);

impl Plan {
    /// Makes the plan.
    pub fn new(terms: &Terms) -> Self {
        let mut chance = StdRng::seed_from_u64(terms.seed);
        let mut occupied = Occupied(Vec::new());
        let mut blows = Vec::new();
        stops(terms, &mut chance, &mut occupied, &mut blows);
        terminations(terms, &mut chance, &mut occupied, &mut blows);
        kills(terms, &mut chance, &occupied, &mut blows);
        blows.sort_by_key(|strike| strike.at);
        Self {
            blows,
            shocks: shocks(terms, &mut chance),
            faults: faults(terms.seed),
        }
    }

    /// Lets more go wrong with calls to SQS. A call has one fault at most, and these come first.
    #[must_use]
    pub fn with_faults(mut self, more: &str) -> Self {
        if !more.is_empty() {
            self.faults = format!("{more}; {}", self.faults);
        }
        self
    }
}

impl Occupied {
    /// Chooses a process that is free in a span of time, if there is one.
    fn choose(
        &self,
        chance: &mut StdRng,
        members: usize,
        from: Duration,
        until: Duration,
    ) -> Option<usize> {
        let is_free = |member: &usize| {
            let theirs = self.0.iter().filter(|(who, _, _)| who == member);
            theirs
                .clone()
                .all(|(_, began, ended)| until < *began || from > *ended)
        };
        let free: Vec<usize> = (0..members).filter(is_free).collect();
        match free.len() {
            0 => None,
            count => Some(free[chance.random_range(0..count)]),
        }
    }
}

fn stops(
    terms: &Terms,
    chance: &mut StdRng,
    occupied: &mut Occupied,
    blows: &mut Vec<Strike<Blow>>,
) {
    for slot in slots(terms.storm, STOP_PERIOD) {
        let length = Duration::from_millis(chance.random_range(STOP_MILLIS));
        let Some(latest) = slot.end.checked_sub(length) else {
            continue;
        };
        if latest <= slot.start {
            continue;
        }
        let at = between(chance, slot.start, latest);
        let until = at + length;
        if let Some(member) = occupied.choose(chance, terms.members, at, until) {
            occupied.0.push((member, at, until));
            let end = match chance.random_bool(KILLED_STOPPED_SHARE) {
                true => Blow::Kill(member),
                false => Blow::Continue(member),
            };
            blows.push(Strike {
                at,
                what: Blow::Stop(member),
            });
            blows.push(Strike {
                at: until,
                what: end,
            });
        }
    }
}

fn terminations(
    terms: &Terms,
    chance: &mut StdRng,
    occupied: &mut Occupied,
    blows: &mut Vec<Strike<Blow>>,
) {
    for slot in slots(terms.storm, TERMINATE_PERIOD) {
        let at = between(chance, slot.start, slot.end);
        let until = at + TERMINATE_SPAN;
        if let Some(member) = occupied.choose(chance, terms.members, at, until) {
            occupied.0.push((member, at, until));
            blows.push(Strike {
                at,
                what: Blow::Terminate(member),
            });
        }
    }
}

/// Plans kills evenly, each at some time in its part of the storm.
fn kills(terms: &Terms, chance: &mut StdRng, occupied: &Occupied, blows: &mut Vec<Strike<Blow>>) {
    let first = terms.storm.mul_f64(KILLS_FROM);
    let part = (terms.storm - first).div_f64(f64::from(terms.kills.max(1)));
    for number in 0..terms.kills {
        let start = first + part.mul_f64(f64::from(number));
        let at = between(chance, start, start + part);
        let free = occupied.choose(chance, terms.members, at, at);
        // Where nobody is free, somebody who is stopped or ending dies of it.
        let member = free.unwrap_or_else(|| chance.random_range(0..terms.members));
        blows.push(Strike {
            at,
            what: Blow::Kill(member),
        });
    }
}

fn shocks(terms: &Terms, chance: &mut StdRng) -> Vec<Strike<Shock>> {
    let mut shocks = Vec::new();
    let part = terms.storm.div_f64(f64::from(terms.crashes.max(1)));
    for number in 0..terms.crashes {
        let start = part.mul_f64(f64::from(number));
        // Not at the edges: nobody works before the first messages, and the calm is calm.
        let at = between(chance, start + part.mul_f64(0.2), start + part.mul_f64(0.8));
        shocks.push(Strike {
            at,
            what: Shock::Crash,
        });
    }
    for slot in slots(terms.storm, READ_ONLY_PERIOD) {
        let length = Duration::from_millis(chance.random_range(READ_ONLY_MILLIS));
        let Some(latest) = slot.end.checked_sub(length) else {
            continue;
        };
        let at = between(chance, slot.start, latest.max(slot.start));
        shocks.push(Strike {
            at,
            what: Shock::ReadOnly,
        });
        shocks.push(Strike {
            at: at + length,
            what: Shock::Writable,
        });
    }
    shocks.sort_by_key(|strike| strike.at);
    shocks
}

/// What goes wrong with calls to SQS all the time.
fn faults(seed: u64) -> String {
    format!(
        "seed={seed}; error rate=0.02; lost rate=0.02; duplicate rate=0.01; \
         throttle rate=0.005; partial rate=0.01 share=0.3"
    )
}

/// Cuts a storm into equal parts of about this length, one at least.
fn slots(storm: Duration, period: Duration) -> Vec<std::ops::Range<Duration>> {
    let count = u32::try_from((storm.as_millis() / period.as_millis()).max(1)).unwrap_or(1);
    let part = storm / count;
    (0..count)
        .map(|number| part * number..part * (number + 1))
        .collect()
}

fn between(chance: &mut StdRng, from: Duration, until: Duration) -> Duration {
    from + until.saturating_sub(from).mul_f64(chance.random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        seed: 7,
        storm: Duration::from_secs(120),
        kills: 300,
        crashes: 4,
        members: 6,
    };

    fn count<T: PartialEq + Copy>(strikes: &[Strike<T>], is: impl Fn(T) -> bool) -> usize {
        strikes.iter().filter(|strike| is(strike.what)).count()
    }

    #[test]
    fn a_seed_always_makes_the_same_plan() {
        assert_eq!(Plan::new(&TERMS), Plan::new(&TERMS));
        let other = Plan::new(&Terms { seed: 8, ..TERMS });
        assert_ne!(Plan::new(&TERMS), other);
    }

    #[test]
    fn a_plan_has_at_least_what_was_asked_for_and_ends_with_the_storm() {
        for seed in 0..50 {
            let terms = Terms { seed, ..TERMS };
            let plan = Plan::new(&terms);
            assert!(count(&plan.blows, |blow| matches!(blow, Blow::Kill(_))) >= 300);
            assert!(count(&plan.blows, |blow| matches!(blow, Blow::Terminate(_))) >= 10);
            assert!(count(&plan.blows, |blow| matches!(blow, Blow::Stop(_))) >= 3);
            assert_eq!(count(&plan.shocks, |shock| shock == Shock::Crash), 4);
            assert_eq!(count(&plan.shocks, |shock| shock == Shock::ReadOnly), 4);
            let times = plan.blows.iter().map(|strike| strike.at);
            let times: Vec<_> = times
                .chain(plan.shocks.iter().map(|strike| strike.at))
                .collect();
            assert!(
                times.iter().all(|at| *at <= terms.storm),
                "seed {seed}: {times:?}"
            );
        }
    }

    #[test]
    fn strikes_come_in_order_and_hit_somebody() {
        let plan = Plan::new(&TERMS);
        assert!(plan.blows.is_sorted_by_key(|strike| strike.at));
        assert!(plan.shocks.is_sorted_by_key(|strike| strike.at));
        for strike in &plan.blows {
            let (Blow::Kill(member)
            | Blow::Stop(member)
            | Blow::Continue(member)
            | Blow::Terminate(member)) = strike.what;
            assert!(member < TERMS.members);
        }
    }

    #[test]
    fn who_is_stopped_stays_so_for_longer_than_a_lease_and_is_let_go() {
        for seed in 0..50 {
            let plan = Plan::new(&Terms { seed, ..TERMS });
            for (at, strike) in plan.blows.iter().enumerate() {
                let Blow::Stop(member) = strike.what else {
                    continue;
                };
                let next = plan.blows[at + 1..].iter().find(|next| {
                    [
                        Blow::Kill(member),
                        Blow::Continue(member),
                        Blow::Terminate(member),
                    ]
                    .contains(&next.what)
                });
                let next = next.expect("somebody ends it");
                assert!(!matches!(next.what, Blow::Terminate(_)));
                assert!(
                    next.at - strike.at > Duration::from_secs(12),
                    "seed {seed}: {strike:?} {next:?}"
                );
            }
        }
    }

    #[test]
    fn a_short_storm_has_a_plan_too() {
        for kills in [0, 1, 5] {
            let terms = Terms {
                seed: 1,
                storm: Duration::from_secs(10),
                kills,
                crashes: 1,
                members: 2,
            };
            let plan = Plan::new(&terms);
            let planned = count(&plan.blows, |blow| matches!(blow, Blow::Kill(_)));
            assert_eq!(planned, kills as usize);
        }
    }

    #[test]
    fn the_faults_are_a_plan_of_sqs_local() {
        faults(7)
            .parse::<sqs_local::FaultPlan>()
            .expect("it is one");
    }
}
