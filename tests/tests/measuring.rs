//! Who measures queues, and what is seen of queues that nobody serves.
#![forbid(unsafe_code)]

use std::time::Duration;

use fleet::service::metrics::OUTCOMES;
use fleet_tests::patience::{until, until_within};
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;

const VISIBLE: &str = r#"fleet_queue_messages{queue="billing",state="visible"}"#;

const LAG: &str = r#"fleet_queue_oldest_message_age_seconds{queue="billing"}"#;

const DEAD: &str = r#"fleet_dlq_messages{queue="billing"}"#;

const MEASURING: &str = "fleet_measuring";

/// A lease ends after 15 s, is asked for every 5 s, and a busy machine is slow.
const TAKEOVER_MAX: Duration = Duration::from_secs(90);

/// Reads a series of a process; `None` where it is not there or the process is not.
async fn value(probe: &Probe, series: &str) -> Option<f64> {
    let page = probe.get("/metrics").await?.body;
    let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(name, _)| *name == series)?.1.parse().ok()
}

async fn shows(probe: &Probe, series: &str, expected: f64) -> Option<()> {
    let found = value(probe, series).await?;
    (found == expected || found.is_nan() && expected.is_nan()).then_some(())
}

async fn until_it_shows(probe: &Probe, series: &str, expected: f64) {
    until_within(TAKEOVER_MAX, &format!("{series} {expected}"), || {
        shows(probe, series, expected)
    })
    .await;
}

/// A queue with three messages and a dead letter, which only relays look after.
async fn unserved() -> Site {
    let site = Site::new().await;
    for _ in 0..3 {
        site.queue.send("{}", Default::default()).await;
    }
    site.dead_letters.send("{}", Default::default()).await;
    site
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn a_queue_that_nobody_serves_is_measured_by_one_and_then_by_another() {
    let site = unserved().await;
    let (first, first_probe) = site.start_ready(&["relay"]).await;
    until_it_shows(&first_probe, VISIBLE, 3.0).await;
    until_it_shows(&first_probe, DEAD, 1.0).await;
    until_it_shows(&first_probe, MEASURING, 1.0).await;
    let (second, second_probe) = site.start_ready(&["relay"]).await;
    until_it_shows(&second_probe, VISIBLE, f64::NAN).await;
    until_it_shows(&second_probe, MEASURING, 0.0).await;
    // Nobody receives: the lag grows from look to look.
    until_within(TAKEOVER_MAX, "a lag that grows", async || {
        (value(&first_probe, LAG).await? >= 10.0).then_some(())
    })
    .await;
    // Whoever looks into the dead letters does not make them fewer.
    assert_eq!(site.dead_letters.peek().await.len(), 1);
    first.signal(Signal::Kill);
    until_it_shows(&second_probe, MEASURING, 1.0).await;
    until_it_shows(&second_probe, VISIBLE, 3.0).await;
    until_it_shows(&second_probe, DEAD, 1.0).await;
    let lag = value(&second_probe, LAG).await.expect("it is measured");
    assert!(lag >= 10.0, "the new holder knows since when: {lag}");
    let shown = site.run(&["queues", "--json"]).await.with_code(0).json();
    let oldest = shown[0]["oldest_age_secs"].as_u64();
    assert!(oldest.is_some_and(|secs| secs >= 10), "{shown}");
    end(second).await;
}

#[tokio::test]
async fn without_the_database_every_process_measures() {
    let mut site = unserved().await;
    let gate = site.gate_database().await;
    gate.open();
    let (first, first_probe) = site.start_ready(&["relay"]).await;
    let (second, second_probe) = site.start_ready(&["relay"]).await;
    let probes = [first_probe, second_probe];
    let measuring = async || {
        let [first, second] = &probes;
        Some(value(first, MEASURING).await? + value(second, MEASURING).await?)
    };
    until("one of them measures", async || {
        (measuring().await? == 1.0).then_some(())
    })
    .await;
    gate.close();
    for probe in &probes {
        until_it_shows(probe, MEASURING, 1.0).await;
        until_it_shows(probe, VISIBLE, 3.0).await;
    }
    gate.open();
    until_within(TAKEOVER_MAX, "one of them measures again", async || {
        (measuring().await? == 1.0).then_some(())
    })
    .await;
    let mut depths = Vec::new();
    for probe in &probes {
        depths.push(value(probe, VISIBLE).await.expect("it is there"));
    }
    let known = depths.iter().filter(|depth| !depth.is_nan()).count();
    assert_eq!(known, 1, "{depths:?}");
    end(first).await;
    end(second).await;
}

#[tokio::test]
async fn a_consumer_begins_with_every_label_of_its_handlers_at_zero_and_works_its_lag_off() {
    let site = unserved().await;
    let (consumer, probe) = site.start_ready(&["run"]).await;
    for outcome in OUTCOMES {
        let series = format!(
            r#"fleet_messages_processed_total{{queue="billing",handler="order.placed",outcome="{outcome}"}}"#
        );
        assert_eq!(value(&probe, &series).await, Some(0.0), "{series}");
    }
    // Its three messages are no events.
    until_it_shows(&probe, DEAD, 4.0).await;
    until_it_shows(&probe, VISIBLE, 0.0).await;
    until_it_shows(&probe, LAG, 0.0).await;
    let rows = r#"fleet_table_rows{table="inbox"}"#;
    until_it_shows(&probe, rows, 0.0).await;
    let limit = value(&probe, "fleet_database_connections_limit").await;
    assert_eq!(limit, Some(4.0));
    let ready = value(&probe, r#"fleet_ready{check="database"}"#).await;
    assert_eq!(ready, Some(1.0));
    end(consumer).await;
}
