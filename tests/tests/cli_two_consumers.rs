//! What the trouble of one consumer means to another, and what a program that is not `fleet` is
//! called.
#![forbid(unsafe_code)]

use fleet_tests::mailbox::Mailbox;
use fleet_tests::process::{Ended, Process};
use fleet_tests::site::Site;
use serde_json::json;

/// A site with the queues of both consumers.
async fn site() -> Site {
    let site = Site::new().await;
    Mailbox::pair(site.sqs(), "mail-out").await;
    let url = format!("{}/000000000000/mail-out", site.endpoint());
    site.with("MAIL_OUT_QUEUE_URL", &url)
        .with("MAIL_OUT_RECEIVE_WAIT", "1s")
}

async fn run(site: &Site, arguments: &[&str]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_two_consumers"));
    command.args(arguments).env_clear().envs(&site.env);
    Process::start(command).ended().await
}

#[tokio::test]
async fn one_report_names_the_queues_of_both() {
    let site = site().await;
    site.delete("billing").await;
    site.delete("mail-out-dlq").await;
    for command in ["run", "relay"] {
        let ended = run(&site, &[command]).await.with_code(2);
        for said in [
            "BILLING_QUEUE_URL: queue billing does not exist",
            "MAIL_OUT_QUEUE_URL: dead-letter queue mail-out-dlq of queue mail-out does not exist",
        ] {
            assert!(ended.stderr.contains(said), "{command}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn a_queue_that_is_missing_is_named_and_the_other_is_shown() {
    let site = site().await;
    site.delete("billing").await;
    let ended = run(&site, &["queues", "--json"]).await.with_code(3);
    assert!(ended.stderr.contains("queue billing: "), "{}", ended.stderr);
    let rows = ended.json();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(rows[0]["consumer"], "mail-out");
}

#[tokio::test]
async fn only_the_consumers_that_are_named_are_run_and_need_settings() {
    let mut site = site().await;
    site.env.remove("BILLING_QUEUE_URL");
    let queue = Mailbox::create(site.sqs(), "mail-out", &[]).await;
    let body = json!({
        "specversion": "1.0", "id": "1", "source": "/x", "type": "pinged", "data": {},
    });
    queue.send(&body.to_string(), Default::default()).await;
    run(&site, &["run", "mail-out", "--drain"])
        .await
        .with_code(0);
    assert_eq!(
        site.books
            .count("fleet.inbox where consumer = 'mail-out'")
            .await,
        1
    );

    let ended = run(&site, &["run"]).await.with_code(2);
    assert!(
        ended.stderr.contains("BILLING_QUEUE_URL: is not set"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_program_speaks_under_its_own_name() {
    let site = Site::unmigrated().await;
    let ended = run(&site, &["run", "nobody"]).await.with_code(2);
    assert!(
        ended.stderr.starts_with("two: there is no consumer nobody"),
        "{}",
        ended.stderr
    );
    let help = run(&site, &["--help"]).await.with_code(0);
    assert!(help.stdout.contains("Usage: two"), "{}", help.stdout);
    let help = run(&site, &["run", "--help"]).await.with_code(0);
    assert!(!help.stdout.contains("fleet run"), "{}", help.stdout);
}
