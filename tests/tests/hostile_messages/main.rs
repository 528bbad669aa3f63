//! Hundreds of messages that mean no good, on the real path: SQS over HTTP, `fleet run` with
//! billing, Postgres. Each ends where it should, and says nothing on the way.
//!
//! A row of a family's table is one message, with the end that it should have by what the fleet
//! promises.
#![forbid(unsafe_code)]

/// One message, and where it should end.
mod case;

mod attributes;
mod aws;
mod cloud_events;
mod forged;
mod json;
mod misfits;
mod orders;
mod sns;
mod texts;
mod times;
mod traces;

/// A fleet, and what is known of the messages that it was sent.
mod stage;

/// What became of each message.
mod account;

/// What came out of programs.
mod said;

use std::collections::BTreeSet;

use case::{CALM, Case, End};
use stage::Stage;

/// Fewer would not be what is promised.
const CASES_MIN: usize = 200;

/// After so many hostile messages comes one that means well.
const BETWEEN: usize = 25;

/// The families of cases.
fn families() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("JSON", json::cases()),
        ("CloudEvents", cloud_events::cases()),
        ("times", times::cases()),
        ("texts", texts::cases()),
        ("traces", traces::cases()),
        ("misfits", misfits::cases()),
        ("orders", orders::cases()),
        ("SNS", sns::cases()),
        ("EventBridge and S3", aws::cases()),
        ("attributes", attributes::cases()),
        ("forged failures", forged::cases()),
    ]
}

/// What a process has to have met before all its metrics are there.
fn calm() -> Vec<Case> {
    let mut refused = Case::good("refused before the storm");
    refused.message.body = refused.message.body.replace("\"GBP\"", "\"?\"");
    refused.end = case::refused("unknown currency");
    let waits = |event: &mut serde_json::Value| event["type"] = "unknown before the storm".into();
    vec![
        Case::good(CALM),
        refused,
        Case::new("no JSON before the storm", "no JSON", case::NO_JSON),
        Case::changed("waits before the storm", waits, End::Waits),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_message_ends_where_it_should_and_says_nothing() {
    let mut hostile: Vec<_> = families()
        .into_iter()
        .flat_map(|(_, cases)| cases)
        .collect();
    assert!(hostile.len() >= CASES_MIN, "{}", hostile.len());
    let marked = hostile.iter().filter(|case| case.is_marked()).count();
    assert!(
        marked * 10 > hostile.len() * 9,
        "{marked} of {}",
        hostile.len()
    );
    let names: BTreeSet<_> = hostile.iter().map(|case| case.name.clone()).collect();
    assert_eq!(names.len(), hostile.len(), "each is named once");
    for number in (BETWEEN..hostile.len()).step_by(BETWEEN) {
        hostile.insert(number, Case::good(&format!("good, before {number}")));
    }
    hostile.push(Case::good("good, at last"));

    let mut stage = Stage::open().await;
    let (process, probe) = stage.site.start_ready(&["run"]).await;
    stage.send(calm()).await;
    stage.until_settled().await;
    let series = said::series(&probe).await;
    stage.send(hostile).await;
    stage.until_settled().await;
    probe.assert_live().await;
    assert_eq!(
        said::series(&probe).await,
        series,
        "no message makes a metric"
    );
    let metrics = said::metrics(&probe).await;

    process.signal(fleet_tests::process::Signal::Terminate);
    let ended = process.ended().await.with_code(0);
    said::assert_log(&ended);
    said::assert_silent("/metrics", &metrics);
    account::check_books(&stage).await;
    account::check_dead_letters(&stage).await;
    account::check_waiting(&stage).await;
    account::check_log(&stage, &ended);
    said::assert_commands(&stage).await;
}
