//! A plan under way: decides for one call after the other.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::kind::{Breakage, Kind};
use super::plan::FaultPlan;
use crate::error::ErrorKind;
use crate::limits::Millis;

/// How a call comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// In process.
    Library,
    /// Over HTTP.
    Wire,
}

/// What a plan has to know of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) operation: &'a str,
    /// The name of the queue, if it is about one.
    pub(crate) queue: Option<&'a str>,
    /// How many entries it has, if it is a batch.
    pub(crate) entries: usize,
    pub(crate) face: Face,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Refuse(ErrorKind),
    Break(Breakage),
    Duplicate,
    Partial(Entries),
}

/// Some of the entries of a batch, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entries(u16);

impl Entries {
    pub(crate) fn has(self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.0.checked_shr(index).unwrap_or(0) & 1 == 1)
    }
}

/// What a plan says of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The name of the kind and the fault.
    pub(crate) fault: Option<(&'static str, Fault)>,
    /// How far the server's clock is off, in milliseconds, if a rule says so.
    pub(crate) skew: Option<i64>,
}

/// A plan under way.
#[derive(Debug)]
pub(crate) struct Faults {
    plan: FaultPlan,
    since: Millis,
    rng: StdRng,
    /// How often each rule was applied.
    applied: Vec<u64>,
}

impl Faults {
    /// Starts a plan now.
    pub(crate) fn new(plan: FaultPlan, now: Millis) -> Self {
        Self {
            rng: StdRng::seed_from_u64(plan.seed),
            applied: vec![0; plan.rules.len()],
            since: now,
            plan,
        }
    }

    pub(crate) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// Decides what goes wrong with a call.
    pub(crate) fn decide(&mut self, now: Millis, call: &Subject<'_>) -> Verdict {
        let age = now.saturating_sub(self.since);
        let mut verdict = Verdict::default();
        for (rule, applied) in self.plan.rules.iter().zip(&mut self.applied) {
            let decided = match rule.kind {
                Kind::Skew { .. } => verdict.skew.is_some(),
                _ => verdict.fault.is_some(),
            };
            let used_up = rule.count.is_some_and(|count| *applied >= count);
            if decided || used_up || !rule.covers(call, age) {
                continue;
            }
            if self.rng.random::<f64>() >= rule.rate {
                continue;
            }
            *applied += 1;
            let fault = match rule.kind {
                Kind::Skew { millis } => {
                    verdict.skew = Some(millis);
                    continue;
                }
                Kind::Refuse(kind) => Fault::Refuse(kind),
                Kind::Break(breakage) => Fault::Break(breakage),
                Kind::Duplicate => Fault::Duplicate,
                Kind::Partial { share } => {
                    Fault::Partial(choose(&mut self.rng, call.entries, share))
                }
            };
            verdict.fault = Some((rule.name, fault));
        }
        verdict
    }
}

/// Chooses about a share of so many entries, and at least one.
fn choose(rng: &mut StdRng, entries: usize, share: f64) -> Entries {
    let mut chosen = 0;
    for index in 0..entries.min(16) {
        if rng.random::<f64>() < share {
            chosen |= 1 << index;
        }
    }
    if chosen == 0 && entries > 0 {
        chosen = 1 << rng.random_range(0..entries.min(16));
    }
    Entries(chosen)
}
