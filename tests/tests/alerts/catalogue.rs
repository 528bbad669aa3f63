//! The alerts that there are, and their unit tests.

use std::collections::BTreeSet;
use std::fs;

use fleet_tests::programs::repository;
use fleet_tests::prometheus::RULES;

/// The alerts that people were promised: a name that is not here is an addition.
const PROMISED: [&str; 20] = [
    "FleetLagHigh",
    "FleetFreshnessSLOBurn",
    "FleetQueueStalled",
    "FleetNoConsumers",
    "FleetDlqNotEmpty",
    "FleetDlqNearRetention",
    "FleetOutboxStuck",
    "FleetOutboxParked",
    "FleetSqsErrors",
    "FleetDatabaseUnavailable",
    "FleetBreakerOpen",
    "FleetPoisonSuspected",
    "FleetLeasesLost",
    "FleetSaturated",
    "FleetPanics",
    "FleetRestarts",
    "FleetPausedLong",
    "FleetVersionSkew",
    "FleetInboxGrowth",
    "FleetGroupsHalted",
];

/// An alert as it is written down; one with two severities stands there twice.
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Reads every alert.
pub(crate) fn alerts() -> Vec<Alert> {
    let file = fs::read_to_string(repository().join(RULES).join("alerts.yml"));
    let file = file.expect("the alerts are there");
    let blocks = file.split("      - alert: ").skip(1);
    let alert = |block: &str| {
        let (name, text) = block.split_once('\n').expect("a name ends its line");
        Alert {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    };
    blocks.map(alert).collect()
}

/// The names of all alerts.
pub(crate) fn names() -> BTreeSet<String> {
    alerts().into_iter().map(|alert| alert.name).collect()
}

/// Reads every file of unit tests.
fn unit_tests() -> String {
    let folder = repository().join(RULES).join("tests");
    let files = fs::read_dir(folder).expect("the unit tests are there");
    let paths = files.map(|file| file.expect("they are readable").path());
    let texts = paths.map(|path| fs::read_to_string(path).expect("a test is text"));
    texts.collect()
}

#[test]
fn every_alert_that_was_promised_is_there() {
    let names = names();
    let missing: Vec<_> = PROMISED
        .iter()
        .filter(|name| !names.contains(**name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_alert_says_who_is_called_and_what_to_type() {
    for alert in alerts() {
        let name = &alert.name;
        let levels = ["severity: page", "severity: ticket"];
        let level = levels.iter().filter(|level| alert.text.contains(*level));
        assert_eq!(level.count(), 1, "{name} is a page or a ticket");
        // The second of two severities refers to what the first says.
        let text: Vec<&str> = alert.text.split_whitespace().collect();
        let text = text.join(" ");
        let says = text.contains("annotations: *")
            || (text.contains("summary: ") && text.contains("`fleet "));
        assert!(says, "{name} says what is wrong, and names a command");
    }
}

#[test]
fn every_alert_fires_in_a_unit_test_and_does_not_in_another() {
    let tests = unit_tests();
    for name in names() {
        let fires = format!("alertname: {name}\n        exp_alerts:\n          - exp_labels:");
        assert!(tests.contains(&fires), "{name} never fires in a unit test");
        let silent = format!("alertname: {name}, exp_alerts: [] }}");
        assert!(tests.contains(&silent), "{name} is never silent in one");
    }
}
