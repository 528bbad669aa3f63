//! Every metric that a rule or a dashboard names is served, with the labels that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fleet_tests::books::{order, placed};
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::programs::repository;
use fleet_tests::site::Site;
use regex::Regex;

/// Where metrics are named.
const FILES: [&str; 3] = [
    "infra/prometheus/alerts.yml",
    "infra/prometheus/recording.yml",
    "infra/grafana/fleet.json",
];

/// Labels that are not ours: those of a scrape, and the bound of a bucket.
const OF_OTHERS: [&str; 3] = ["job", "instance", "le"];

/// A metric, and the labels that somebody selects it by.
type Named = BTreeMap<String, BTreeSet<String>>;

/// Finds the metrics in an expression. What has a colon is recorded, not served.
fn named(text: &str) -> Named {
    let selector = r#"(^|[^a-zA-Z0-9_:`/])((?:fleet|process)_[a-z0-9_]+)(?:\{([^{}]*)\})?"#;
    let selector = Regex::new(selector).expect("it is a legal expression");
    let label =
        Regex::new(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\\?""#).expect("it is a legal expression");
    let mut found = Named::new();
    for metric in selector.captures_iter(text) {
        let labels = metric.get(3).map_or("", |labels| labels.as_str());
        let labels = label.captures_iter(labels).map(|label| label[1].to_owned());
        found
            .entry(metric[2].to_owned())
            .or_default()
            .extend(labels);
    }
    found
}

/// Adds what a process serves: names as they stand in its answer, and their labels.
async fn scrape(probe: &Probe, into: &mut Named) {
    let answer = probe.get("/metrics").await.expect("/metrics is answered");
    let label = Regex::new(r#"([a-z_]+)=""#).expect("it is a legal expression");
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let Some(end) = line.find(['{', ' ']) else {
            continue;
        };
        let labels = label
            .captures_iter(&line[end..])
            .map(|label| label[1].to_owned());
        into.entry(line[..end].to_owned())
            .or_default()
            .extend(labels);
    }
}

#[test]
fn metrics_are_found_in_expressions() {
    let text = r#"sum by (queue) (rate(fleet_a_total{queue="x", result!~"y"}[5m])) / queue:fleet_b:max
        docs/fleet_c `fleet_d` fleet_e > 0"#;
    let found = named(text);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["fleet_a_total", "fleet_e"]);
    assert_eq!(found["fleet_a_total"].len(), 2);
}

#[tokio::test]
async fn every_metric_that_is_named_is_served_with_its_labels() {
    let site = Site::new().await;
    let (_run, runs) = site.start_ready(&["run"]).await;
    let (_relay, relays) = site.start_ready(&["relay"]).await;
    let body = placed(&order("1", 1));
    site.queue.send(&body, Default::default()).await;
    site.books.until_count("billing.invoices", 1).await;

    let mut wanted = Named::new();
    for file in FILES {
        let text = fs::read_to_string(repository().join(file)).expect("the file is there");
        for (metric, labels) in named(&text) {
            wanted.entry(metric).or_default().extend(labels);
        }
    }
    assert!(wanted.len() > 30, "{wanted:?}");
    let complaints = async || {
        let mut served = Named::new();
        for probe in [&runs, &relays] {
            scrape(probe, &mut served).await;
        }
        let mut complaints = Vec::new();
        for (metric, labels) in &wanted {
            match served.get(metric) {
                None => complaints.push(format!("{metric} is not served")),
                Some(known) => complaints.extend(
                    labels
                        .iter()
                        .filter(|label| {
                            !known.contains(*label) && !OF_OTHERS.contains(&label.as_str())
                        })
                        .map(|label| format!("{metric} has no label {label}")),
                ),
            }
        }
        complaints
    };
    // The last of them are there when the first message is settled.
    until(
        &format!("all are served: {:?}", complaints().await),
        async || complaints().await.is_empty().then_some(()),
    )
    .await;
}
