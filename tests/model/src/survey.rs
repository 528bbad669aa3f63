use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker as _, Expectation, HasDiscoveries, Model as _};

use crate::design::Design;
use crate::limits::Limits;
use crate::model::{Action, Fleet};

/// The checker's threads: more would be in the way of other tests on the same machine.
const THREADS: usize = 2;

/// No wrong design of ours survives this many steps; more would be no short story.
const STEPS_MAX: usize = 16;

/// What came of looking at every state of a model.
#[derive(Debug)]
pub struct Survey {
    /// States that were reached, each as often as it was.
    pub states: usize,
    /// States that differ.
    pub unique: usize,
    /// The longest way that it took to a new one.
    pub depth: usize,
    /// Whether the checker came to its end.
    pub is_done: bool,
    /// How long it took.
    pub took: Duration,
    /// What was checked in each state.
    pub promises: Vec<&'static str>,
    /// Those that do not hold, each with a way to where it does not.
    pub broken: Vec<(&'static str, Vec<Action>)>,
    /// What is to be seen and was.
    pub seen: BTreeSet<&'static str>,
    /// What is to be seen, be it in another model.
    pub sights: BTreeSet<&'static str>,
}

/// Looks at every state of a model; there is no cap on states, depth or time.
pub fn survey(fleet: Fleet) -> Survey {
    let begun = Instant::now();
    let checker = fleet.checker().threads(THREADS).spawn_bfs().join();
    let found = checker.discoveries();
    let (sights, promises): (Vec<_>, Vec<_>) = fleet
        .properties()
        .into_iter()
        .partition(|property| property.expectation == Expectation::Sometimes);
    let sights: BTreeSet<_> = sights.iter().map(|property| property.name).collect();
    let broken = promises.iter().filter_map(|property| {
        let path = found.get(property.name)?.clone();
        Some((property.name, path.into_actions()))
    });
    Survey {
        states: checker.state_count(),
        unique: checker.unique_state_count(),
        depth: checker.max_depth(),
        is_done: checker.is_done(),
        took: begun.elapsed(),
        promises: promises.iter().map(|property| property.name).collect(),
        broken: broken.collect(),
        seen: sights
            .iter()
            .copied()
            .filter(|name| found.contains_key(name))
            .collect(),
        sights,
    }
}

/// Finds a shortest way to a state of a design in which a property does not hold.
///
/// It looks one step further each time, as the checker goes on for a while after it has found one
/// and keeps the last.
pub fn refutation(design: Design, limits: Limits, property: &'static str) -> Option<Vec<Action>> {
    // The checker counts states where this counts steps, and does not look at the last.
    (2..=STEPS_MAX + 2).find_map(|depth| {
        let wanted = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        let checker = Fleet { design, limits }.checker();
        let checker = checker.target_max_depth(depth).finish_when(wanted);
        let path = checker.spawn_bfs().join().discovery(property)?;
        Some(path.into_actions())
    })
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "states {}, unique {}, depth {}, {:.1} s, {} of {} properties hold, {} of {} sights seen",
            self.states,
            self.unique,
            self.depth,
            self.took.as_secs_f64(),
            self.promises.len() - self.broken.len(),
            self.promises.len(),
            self.seen.len(),
            self.sights.len(),
        )
    }
}
