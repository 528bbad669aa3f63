//! `infra/systemd`.

use std::fs;
use std::time::Duration;

use fleet_tests::programs::repository;

use super::program;

/// The settings of a unit, in their order.
fn settings(unit: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(repository().join("infra/systemd").join(unit)).unwrap();
    let pairs = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn units_run_what_the_program_understands_and_leave_it_the_time_to_end() {
    let consumer = program::consumers().await.remove(0);
    for (unit, expected) in [
        ("fleet-run@.service", vec!["run", &consumer]),
        ("fleet-relay.service", vec!["relay"]),
    ] {
        let settings = settings(unit);
        let the = |name: &str| {
            let found = settings.iter().find(|(other, _)| other == name);
            found
                .unwrap_or_else(|| panic!("{unit} has no {name}"))
                .1
                .as_str()
        };
        let line = the("ExecStart").replace("%i", &consumer);
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[1..], expected, "{unit}");
        program::assert_understands(&words[1..]).await;
        let patience = Duration::from_secs(the("TimeoutStopSec").parse().unwrap());
        assert!(patience > program::shutdown_grace(&Default::default()) + program::SHUTDOWN_TAIL);
        assert_eq!(the("KillSignal"), "SIGTERM");
        // The exit code of a mistake in the configuration.
        assert_eq!(the("RestartPreventExitStatus"), "2");
        assert_eq!(
            (the("DynamicUser"), the("ProtectSystem")),
            ("yes", "strict")
        );
    }
}

#[test]
fn both_units_are_equally_strict() {
    let strictness = |unit: &str| {
        let mut settings = settings(unit);
        settings.retain(|(name, _)| {
            !["Description", "ExecStart", "EnvironmentFile"].contains(&name.as_str())
        });
        settings
    };
    assert_eq!(
        strictness("fleet-run@.service"),
        strictness("fleet-relay.service")
    );
}
