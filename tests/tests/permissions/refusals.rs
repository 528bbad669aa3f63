//! What a role may not do, and how that looks.

use fleet_tests::books::order;
use fleet_tests::graves::bury_order;
use fleet_tests::mailbox::Counts;
use fleet_tests::process::{Ended, Process};
use fleet_tests::site::Site;
use futures_util::future::join_all;

use crate::policies::{enforce, enforce_all, fleet_as, fleet_with, policy_without};

async fn site() -> Site {
    let site = Site::new().await;
    bury_order(&site, &order("dead", 1), "no prices").await;
    site
}

/// Checks that one sentence says which right was missing.
#[track_caller]
fn assert_says(ended: Ended, (action, queue): (&str, &str)) {
    let ended = ended.with_code(1);
    let call =
        format!("{action} failed: credentials are missing or refused (AccessDenied): User: ");
    let missing = format!(
        "is not authorized to perform: sqs:{} on resource: \
         arn:aws:sqs:us-east-1:000000000000:{queue} ",
        action.to_ascii_lowercase()
    );
    let says: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains(&missing))
        .collect();
    assert_eq!(says.len(), 1, "{}", ended.stderr);
    assert!(says[0].starts_with("fleet: queue "), "{}", ended.stderr);
    assert!(says[0].contains(&call), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_not_do_what_is_anothers() {
    let site = site().await;
    enforce_all(&site);
    let attempts: [(&str, &[&str], (&str, &str)); 4] = [
        (
            "producer",
            &["dlq", "ls", "billing"],
            ("GetQueueAttributes", "billing"),
        ),
        (
            "autoscaler",
            &["dlq", "replay", "billing", "--yes"],
            ("GetQueueUrl", "billing-dlq"),
        ),
        (
            "relay",
            &["dlq", "ls", "billing"],
            ("ReceiveMessage", "billing-dlq"),
        ),
        (
            "consumer",
            &["dlq", "group", "billing"],
            ("ReceiveMessage", "billing-dlq"),
        ),
    ];
    let attempts = attempts.map(async |(role, arguments, missing)| {
        let process = Process::start(fleet_as(&site, role, arguments));
        assert_says(process.ended().await, missing);
    });
    join_all(attempts).await;
    let untouched = Counts {
        visible: 1,
        ..Counts::NONE
    };
    assert_eq!(site.dead_letters.counts().await, untouched);
    assert_eq!(site.queue.counts().await, Counts::NONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_one_right_is_told_which() {
    let site = site().await;
    let ls: &[&str] = &["dlq", "ls", "billing"];
    let native: &[&str] = &["dlq", "replay", "billing", "--native", "--yes"];
    let missing = [
        (("GetQueueAttributes", "billing"), ls),
        (("GetQueueUrl", "billing-dlq"), ls),
        (("GetQueueAttributes", "billing-dlq"), ls),
        (("ReceiveMessage", "billing-dlq"), ls),
        (("StartMessageMoveTask", "billing-dlq"), native),
    ];
    let key = |(action, queue): (&str, &str)| format!("AKID-{action}-{queue}");
    let policies = missing.map(|(right, _)| (key(right), policy_without("operator", right)));
    enforce(&site, policies);
    let attempts = missing.map(async |(right, arguments)| {
        let process = Process::start(fleet_with(&site, &key(right), arguments));
        assert_says(process.ended().await, right);
    });
    join_all(attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_sqs_does_not_know_is_refused_by_its_name() {
    let site = site().await;
    enforce(&site, []);
    let process = Process::start(fleet_with(&site, "AKIDNOBODY", &["dlq", "ls", "billing"]));
    let ended = process.ended().await.with_code(1);
    let said = "credentials are missing or refused (InvalidClientTokenId)";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}
