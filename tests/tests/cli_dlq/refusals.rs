//! What cannot be looked at, and what is said of it.

use std::process::Stdio;

use fleet_tests::mailbox::Mailbox;
use fleet_tests::process::Process;
use fleet_tests::site::{Site, fleet};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::morgue::{Morgue, refused};

#[tokio::test]
async fn a_queue_that_is_none_is_refused() {
    let site = Site::new().await;
    let ended = site.run(&["dlq", "ls", "nobody"]).await.with_code(2);
    assert!(
        ended
            .stderr
            .contains("nobody is no consumer of this program and no queue"),
        "{}",
        ended.stderr
    );
    let ended = site.run(&["dlq", "ls", "legacy\u{1b}[2J"]).await;
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    let gone = format!("{}/000000000000/gone", site.endpoint());
    let ended = site.run(&["dlq", "ls", &gone]).await.with_code(2);
    assert!(
        ended.stderr.contains("queue gone does not exist"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_consumer_without_a_queue_names_the_variable() {
    let mut site = Site::new().await;
    site.env.remove("BILLING_QUEUE_URL");
    let ended = site.run(&["dlq", "ls", "billing"]).await.with_code(2);
    assert!(
        ended.stderr.contains("BILLING_QUEUE_URL"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_queue_with_a_redrive_policy_of_its_own_is_refused() {
    let site = Site::new().await;
    Mailbox::create(site.sqs(), "further", &[]).await;
    let redrive = json!({
        "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:further",
        "maxReceiveCount": 3,
    });
    site.dead_letters
        .set("RedrivePolicy", &redrive.to_string())
        .await;
    for command in [
        &["ls", "billing"][..],
        &["show", "billing", "1"],
        &["purge", "billing", "--all"],
    ] {
        let ended = site.run(&[&["dlq"], command].concat()).await.with_code(2);
        assert!(
            ended.stderr.contains("nearer to further"),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_queue_that_is_no_dead_letter_queue_is_warned_of() {
    let site = Site::new().await;
    let ended = site
        .run(&[
            "dlq",
            "stats",
            &format!("{}/000000000000/billing-dlq", site.endpoint()),
        ])
        .await;
    assert!(!ended.with_code(0).stderr.contains("warning"));
    Mailbox::create(site.sqs(), "plain", &[]).await;
    let ended = site.run(&["dlq", "stats", "plain"]).await.with_code(0);
    assert!(
        ended.stderr.contains("if it is no dead-letter queue"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn sqs_that_is_down_is_a_failure_in_one_sentence() {
    let mut site = Site::new().await;
    let _gate = site.gate_queues().await;
    let ended = site.run(&["dlq", "ls", "billing"]).await.with_code(1);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn without_credentials_it_fails_and_says_so() {
    let site = Site::new().await;
    let mut command = fleet(&["dlq", "ls", "billing"]);
    for name in ["AWS_ENDPOINT_URL_SQS", "AWS_REGION", "BILLING_QUEUE_URL"] {
        command.env(name, &site.env[name]);
    }
    // There is no instance to ask either.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    let ended = Process::start(command).ended().await.with_code(1);
    assert!(
        ended.stderr.to_lowercase().contains("credentials"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_pattern_and_ages_that_nobody_can_mean_are_refused() {
    let site = Site::new().await;
    for (filter, why) in [
        (["--match", "("], "--match"),
        (["--class", "dead"], "is none of"),
        (["--older-than", "soon"], "--older-than"),
        (["--attempts", "5-3"], "such as 3, 3+ or 3-5"),
        (["--fingerprint", "xyz"], "twelve hexadecimal digits"),
        (["--scan", "0"], "--scan"),
    ] {
        let list = [&["dlq", "ls", "billing"], &filter[..]].concat();
        let ended = site.run(&list).await.with_code(2);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let dead: Vec<_> = (0..300).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    for command in ["ls", "export"] {
        let mut child = morgue
            .site
            .command(&["dlq", command, "billing"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next_line().await.unwrap().is_some());
        drop(lines);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(morgue.dead.counts().await.visible, 300);
    }
}
