use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::chronicle::Chronicle;
use crate::member::{Rig, Rigging};
use crate::plan::Plan;
use crate::story::{Story, tell};
use crate::truth::Violation;

/// Seeds of a run among the other tests; `make simulate` tells more.
const SEEDS: u64 = 500;

/// Seeds that are told twice to be compared.
const TWICE: u64 = 50;

/// What a failing seed shows of its log.
const TAIL: usize = 40;

/// A fleet as it is.
pub(crate) fn as_it_is(rig: Rig) -> Rig {
    rig
}

/// Tells seeds on all cores until one breaks a promise, and returns the first that does.
pub(crate) fn first_broken(seeds: Range<u64>, rigging: Rigging) -> Option<(u64, Story)> {
    let next = AtomicU64::new(seeds.start);
    let found: Mutex<Option<(u64, Story)>> = Mutex::new(None);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let story = survive(seed, rigging);
            if story.violation.is_some() {
                next.store(seeds.end, Ordering::Relaxed);
                let mut found = found.lock().expect("no thread panics");
                if found.as_ref().is_none_or(|(before, _)| seed < *before) {
                    *found = Some((seed, story));
                }
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    found.into_inner().expect("no thread panics")
}

/// Tells a seed, and what panicked in the telling.
fn survive(seed: u64, rigging: Rigging) -> Story {
    let told = catch_unwind(|| tell(seed, rigging));
    told.unwrap_or_else(|_panic| Story {
        chronicle: Chronicle::default(),
        violation: Some(Violation {
            invariant: "no story panics",
            detail: "see above".to_owned(),
        }),
    })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

fn complain(seed: u64, story: &Story, tail: usize) {
    if let Some(violation) = &story.violation {
        panic!(
            "seed {seed}: {}: {}\n{}replay it with: make simulate SEED={seed}",
            violation.invariant,
            violation.detail,
            story.chronicle.tail(tail)
        );
    }
}

#[test]
fn whatever_goes_wrong_every_promise_is_kept() {
    if let Some(seed) = number("SEED") {
        let story = tell(seed, as_it_is);
        eprintln!("{:#?}", Plan::of(seed));
        eprintln!("{}", story.chronicle.tail(usize::MAX));
        complain(seed, &story, 0);
        return eprintln!("seed {seed}: every promise was kept");
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    if let Some((seed, story)) = first_broken(0..seeds, as_it_is) {
        complain(seed, &story, TAIL);
    }
    eprintln!("{seeds} stories: every promise was kept");
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..TWICE {
        let (one, other) = (tell(seed, as_it_is), tell(seed, as_it_is));
        let pairs = one
            .chronicle
            .entries()
            .iter()
            .zip(other.chronicle.entries());
        for (at, (one, other)) in pairs.enumerate() {
            assert_eq!(one, other, "seed {seed}, entry {at}");
        }
        assert_eq!(one.chronicle, other.chronicle, "seed {seed}");
    }
}
