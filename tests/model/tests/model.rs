//! Our design holds in every state of the model, and no other one that looks like it does.
#![allow(
    clippy::print_stderr,
    reason = "`make model` prints what was looked at"
)]

use std::fmt::Write as _;

use fleet_model::design::Design;
use fleet_model::limits::{CONFIGURATIONS, SMALLEST};
use fleet_model::model::{Action, Fleet};
use fleet_model::properties::{NOT_DELETED_EARLY, NOT_DOUBLED, NOT_LOST};
use fleet_model::survey::{refutation, survey};
use fleet_model::walk::count_without_cycle;

/// Fewer, and something that goes wrong has got out of the model.
const STATES_MIN: usize = 70_000;

#[test]
fn the_design_holds_in_every_state() {
    let surveys = CONFIGURATIONS.map(|configuration| {
        let fleet = Fleet {
            design: Design::Ours,
            limits: configuration.limits,
        };
        let survey = survey(fleet);
        eprintln!("{}:\n  {survey}", configuration.name);
        if let Some((property, path)) = survey.broken.first() {
            panic!("not true that {property}:\n{}", story(path));
        }
        assert!(survey.is_done);
        survey
    });
    let unique: usize = surveys.iter().map(|survey| survey.unique).sum();
    eprintln!("{unique} states in all; in each of them:");
    for promise in &surveys[0].promises {
        eprintln!("    {promise}");
    }
    assert!(unique >= STATES_MIN, "only {unique} states were looked at");
    eprintln!("and in some of them:");
    for sight in &surveys[0].sights {
        eprintln!("    {sight}");
        let is_seen = surveys.iter().any(|survey| survey.seen.contains(sight));
        assert!(is_seen, "never seen: {sight}");
    }
}

#[test]
fn no_run_goes_on_for_ever() {
    for configuration in CONFIGURATIONS {
        let fleet = Fleet {
            design: Design::Ours,
            limits: configuration.limits,
        };
        let states = count_without_cycle(&fleet);
        assert!(
            states.is_some(),
            "{}: a run goes on for ever",
            configuration.name
        );
    }
}

#[test]
fn to_acknowledge_first_is_refuted() {
    refute(Design::AcknowledgeFirst, NOT_DELETED_EARLY, 2);
    refute(Design::AcknowledgeFirst, NOT_LOST, 2);
}

#[test]
fn to_claim_in_a_transaction_of_its_own_is_refuted() {
    refute(Design::ClaimInItsOwnTransaction, NOT_LOST, 10);
}

#[test]
fn the_message_id_as_the_key_is_refuted() {
    refute(Design::MessageIdAsKey, NOT_DOUBLED, 11);
}

#[test]
fn to_go_without_a_claim_is_refuted() {
    refute(Design::NoClaim, NOT_DOUBLED, 11);
}

#[test]
fn to_delete_before_the_copy_is_refuted() {
    refute(Design::DeleteBeforeTheCopy, NOT_LOST, 6);
}

/// Asserts that a property does not hold for a design, and that so many steps show it.
fn refute(design: Design, property: &'static str, steps: usize) {
    let path = refutation(design, SMALLEST, property);
    let path = path.unwrap_or_else(|| panic!("nothing refutes {design:?}"));
    eprintln!(
        "{design:?}: not true that {property}, after {} steps:\n{}",
        path.len(),
        story(&path)
    );
    assert_eq!(path.len(), steps, "{design:?}");
    // It is the design that is wrong, and not the property.
    assert_eq!(refutation(Design::Ours, SMALLEST, property), None);
}

fn story(path: &[Action]) -> String {
    path.iter().fold(String::new(), |mut story, action| {
        let _ = writeln!(story, "    {action:?}");
        story
    })
}
