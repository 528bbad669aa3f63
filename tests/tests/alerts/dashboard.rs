//! The dashboard: each panel says what it shows, and Prometheus understands what it asks.

use std::fs;

use fleet_tests::programs::repository;
use fleet_tests::prometheus::tools;
use serde_json::{Value, json};
use tokio::process::Command;

/// The most panels of the first row: what is more is no verdict.
const VERDICT_MAX: usize = 8;

fn panels() -> Vec<Value> {
    let file = repository().join("infra/grafana/fleet.json");
    let file = fs::read_to_string(file).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&file).expect("it is JSON");
    dashboard["panels"]
        .as_array()
        .expect("it has panels")
        .clone()
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for panel in panels().iter().filter(|panel| panel["type"] != "row") {
        let title = &panel["title"];
        let says = panel["description"].as_str().unwrap_or_default();
        assert!(says.len() > 20, "{title} has no description");
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(unit.is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(
            !panel["targets"].as_array().is_none_or(Vec::is_empty),
            "{title}"
        );
    }
}

#[test]
fn the_first_row_is_the_verdict() {
    let panels = panels();
    let title = panels[0]["title"].as_str();
    assert!(title.is_some_and(|title| title.starts_with("Verdict")));
    let figures = panels[1..]
        .iter()
        .take_while(|panel| panel["type"] == "stat");
    let figures: Vec<_> = figures
        .map(|panel| panel["title"].as_str().unwrap_or_default())
        .collect();
    assert!((4..=VERDICT_MAX).contains(&figures.len()), "{figures:?}");
    for expected in ["Lag", "Dead letters", "Oldest in the outbox"] {
        assert!(figures.contains(&expected), "{figures:?}");
    }
}

#[tokio::test]
async fn prometheus_understands_every_panel() {
    let Some(tools) = tools("prometheus_understands_every_panel").await else {
        return;
    };
    let panels = panels();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let expressions = targets.map(|target| target["expr"].as_str().expect("a target asks"));
    // As Grafana would fill it in.
    let filled = expressions.map(|asked| {
        asked
            .replace("$__rate_interval", "1m")
            .replace("$queue", ".*")
    });
    let rules: Vec<_> = filled
        .zip(1..)
        .map(|(expr, number)| json!({ "record": format!("panel:{number}"), "expr": expr }))
        .collect();
    assert!(rules.len() > 20, "{rules:?}");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("rules.yml");
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(&file, groups.to_string()).expect("the folder can be written");
    let mut promtool = Command::new(tools.join("promtool"));
    let output = promtool.args(["check", "rules"]).arg(file).output().await;
    let output = output.expect("promtool can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
