//! `queues`: one row a queue.
#![forbid(unsafe_code)]

use fleet_tests::site::Site;
use insta::assert_snapshot;

/// What a terminal of an operator has at least.
const COLUMNS: usize = 120;

async fn busy() -> Site {
    let site = Site::new().await.with("USER", "ann");
    for _ in 0..3 {
        site.queue.send("{}", Default::default()).await;
    }
    site.dead_letters.send("{}", Default::default()).await;
    site
}

#[tokio::test]
async fn what_changes_fits_into_120_columns() {
    let site = busy().await;
    let ended = site.run(&["queues"]).await.with_code(0);
    assert!(ended.stdout.lines().all(|line| line.len() <= COLUMNS));
    assert_snapshot!(ended.stdout, @"
    CONSUMER  QUEUE    BACKLOG  IN FLIGHT  DELAYED  OLDEST  DEAD  PROCESSES  PAUSED
    billing   billing        3          0        0  -          1          0  no
    ");
}

#[tokio::test]
async fn the_settings_are_shown_on_demand() {
    let site = busy().await;
    let ended = site.run(&["queues", "--wide"]).await.with_code(0);
    assert_snapshot!(ended.stdout, @"
    CONSUMER  QUEUE    BACKLOG  IN FLIGHT  DELAYED  OLDEST  DEAD  PROCESSES  CONCURRENCY  ATTEMPTS  TIMEOUT  VISIBILITY  RETENTION  MAX RECEIVES  PAUSED
    billing   billing        3          0        0  -          1          0           16         5     30 s        60 s        4 d           100  no
    ");
    let ended = site.run(&["queues", "--wide", "--json"]).await;
    ended.with_code(2);
}

#[tokio::test]
async fn a_pause_is_shown_with_who_and_why_and_cannot_steer_the_terminal() {
    let site = busy().await;
    let reason = "prices\u{1b}[2J are wrong";
    let pause = ["pause", "billing", "--reason", reason];
    site.run(&pause).await.with_code(0);
    let shown = site.run(&["queues"]).await.with_code(0).stdout;
    let row = shown.lines().nth(1).unwrap_or_default();
    let (_, paused) = row.split_once("by ann@").expect("it says who");
    assert!(paused.ends_with(": prices\\u{1b}[2J are wrong"), "{row}");
}

#[tokio::test]
async fn without_a_database_the_queues_are_shown_alone() {
    let mut site = busy().await;
    site.env.remove("DATABASE_URL");
    let ended = site.run(&["queues"]).await.with_code(0);
    assert_snapshot!(ended.stdout, @"
    CONSUMER  QUEUE    BACKLOG  IN FLIGHT  DELAYED  OLDEST  DEAD  PROCESSES  PAUSED
    billing   billing        3          0        0  -          1  -          -
    ");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_said_and_the_queues_are_shown() {
    let mut site = busy().await;
    let _gate = site.gate_database().await;
    let ended = site.run(&["queues"]).await.with_code(3);
    assert_eq!(ended.stdout.lines().count(), 2, "{}", ended.stdout);
    let said = "processes and pauses: ";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}
