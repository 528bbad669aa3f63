//! A process of the fleet is killed at every step between a receive and its settlement, in the
//! relay and in a replay: it aborts there, or it stands still there until SIGKILL.
//!
//! `CRASH_POINT=settle.copy` runs the points of that name only; `--nocapture` shows each case.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test's panic is its report")]

/// The points, and how each is reached.
mod points;

/// What is sent.
mod letters;

/// Where it happens.
mod stage;

/// How one case goes.
mod case;

/// What has to be true in the end.
mod verdict;

/// Many cases at a time.
mod parallel;

use std::collections::BTreeSet;

use fleet::service::failpoint;
use fleet_chaos::mutant::Mutant;

use crate::case::Case;
use crate::points::{Mode, POINTS, cases};

/// How many there have to be.
const CASES_MIN: usize = 70;

#[test]
fn every_point_of_the_runtime_is_one_at_which_a_process_dies_here() {
    let named: BTreeSet<_> = failpoint::NAMES.iter().collect();
    let here: BTreeSet<_> = POINTS.iter().map(|point| &point.name).collect();
    assert_eq!(here, named);
    assert_eq!(named.len(), failpoint::NAMES.len(), "a name stands twice");
    assert!(cases().len() >= CASES_MIN, "{}", cases().len());
}

#[test]
fn a_process_that_dies_at_any_point_loses_nothing_and_doubles_nothing() {
    let wanted = std::env::var("CRASH_POINT").unwrap_or_default();
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|case| case.point.name.starts_with(&wanted))
        .collect();
    parallel::run(cases);
}

/// What is checked here is worth as much as the mistakes it finds. The fifth mutant makes its own
/// between two calls of the queue, where no point is.
#[test]
fn a_fleet_with_a_known_mistake_is_caught_at_a_point_where_it_shows() {
    for (mutant, point) in [
        (Mutant::AcknowledgesFirst, "commit.sending"),
        (Mutant::ClaimsApart, "commit.sending"),
        (Mutant::KeysByMessageId, "ack.deleted"),
        (Mutant::ClaimsNothing, "commit.answered"),
    ] {
        let of_point = |case: &Case| case.point.name == point && case.mode == Mode::Abort;
        for case in cases().into_iter().filter(of_point) {
            let mutant = Some(mutant);
            let said = parallel::run_one(Case { mutant, ..case }).expect_err("it is caught");
            assert!(said.contains("failed: entries"), "{case}: {said}");
        }
    }
}
