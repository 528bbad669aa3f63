//! `enqueue` and `queues` against real queues.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use fleet_tests::books::order;
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::site::Site;
use serde_json::{Value, json};
use tempfile::TempDir;

const PLACED: [&str; 4] = ["enqueue", "billing", "--type", "order.placed"];

fn file(directory: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("a temporary directory can be written to");
    path
}

/// `fleet enqueue billing --type order.placed` with more behind it.
fn placed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PLACED.iter().chain(more).copied().collect()
}

async fn bodies(queue: &Mailbox) -> Vec<Value> {
    let messages = queue.peek().await;
    messages
        .iter()
        .map(|message| serde_json::from_str(&message.body).expect("an envelope is JSON"))
        .collect()
}

#[tokio::test]
async fn lines_of_files_become_events() {
    let site = Site::new().await;
    let directory = TempDir::new().expect("it can be made");
    let lines: String = (0..25)
        .map(|i| format!("{}\n\n", order(&i.to_string(), 1)))
        .collect();
    let one = file(&directory, "one.jsonl", lines);
    // The last line has no line break, and one has Windows' own.
    let two = file(
        &directory,
        "two.jsonl",
        format!("{}\r\n{}", order("a", 1), order("b", 1)),
    );
    let (one, two) = (one.display().to_string(), two.display().to_string());
    let ended = site
        .run(&placed(&["--json", &one, &two]))
        .await
        .with_code(0);
    assert_eq!(ended.json(), json!({ "sent": 27, "not_sent": 0 }));
    assert_eq!(ended.stderr, "");
    let bodies = bodies(&site.queue).await;
    assert_eq!(bodies.len(), 27);
    for body in &bodies {
        assert_eq!(body["specversion"], "1.0");
        assert_eq!(body["type"], "order.placed");
        assert_eq!(body["source"], "/fleet/enqueue");
        assert_eq!(body["data"]["customer_id"], "17850");
    }
    let ids: std::collections::BTreeSet<_> = bodies.iter().map(|b| b["id"].to_string()).collect();
    assert_eq!(ids.len(), 27, "every line is an event of its own");
}

#[tokio::test]
async fn stdin_is_read_where_no_file_is_named_or_a_dash_is() {
    let site = Site::new().await;
    for arguments in [&PLACED[..], &placed(&["-"])] {
        let line = order("1", 1).to_string();
        let ended = site.run_with_input(arguments, line.as_bytes()).await;
        let ended = ended.with_code(0);
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr, "1 sent, 0 not sent");
    }
    assert_eq!(site.queue.counts().await.visible, 2);
}

#[tokio::test]
async fn the_id_is_a_field_of_the_data_where_one_is_named() {
    let site = Site::new().await;
    let ended = site
        .run_with_input(
            &placed(&["--id-field", "order_id", "--source", "/shop"]),
            order("536365", 1).to_string().as_bytes(),
        )
        .await;
    ended.with_code(0);
    let bodies = bodies(&site.queue).await;
    assert_eq!(bodies[0]["id"], "536365");
    assert_eq!(bodies[0]["source"], "/shop");
}

#[tokio::test]
async fn lines_that_are_wrong_are_named_and_not_sent() {
    let site = Site::new().await;
    let mut lines = vec![
        order("1", 1).to_string().into_bytes(),
        b"no JSON".to_vec(),
        b"".to_vec(),
        br#"{"order_id":"2"}"#.to_vec(),
        b"\xff\xfe".to_vec(),
        order("3", 1).to_string().into_bytes(),
        b"{\"order_id\":\"4\" \x1b[2J".to_vec(),
    ];
    let huge = json!({ "x": "y".repeat(1_100_000) });
    lines.push(huge.to_string().into_bytes());
    let input = lines.join(&b'\n');
    let ended = site.run_with_input(&PLACED, &input).await.with_code(3);
    for line in [
        "stdin:2: ",
        "stdin:4: ",
        "stdin:5: ",
        "stdin:7: ",
        "stdin:8: ",
    ] {
        let named = ended.stderr.lines().any(|said| said.starts_with(line));
        assert!(named, "{line}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 sent, 5 not sent"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.queue.counts().await.visible, 2);
}

#[tokio::test]
async fn an_id_that_is_missing_is_named_with_its_line() {
    let site = Site::new().await;
    let input = format!("{}\n{}", order("1", 1), order("2", 1));
    let ended = site
        .run_with_input(&placed(&["--id-field", "number"]), input.as_bytes())
        .await
        .with_code(1);
    assert!(
        ended.stderr.contains("stdin:1: has no field number"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.queue.counts().await, Counts::NONE);
}

#[tokio::test]
async fn nothing_that_can_be_sent_is_a_failure() {
    let site = Site::new().await;
    let ended = site
        .run_with_input(&PLACED, b"no JSON\n")
        .await
        .with_code(1);
    assert!(ended.stderr.contains("stdin:1: "), "{}", ended.stderr);
    assert_eq!(site.queue.counts().await, Counts::NONE);
}

#[tokio::test]
async fn nothing_at_all_is_no_failure() {
    let site = Site::new().await;
    let ended = site.run_with_input(&PLACED, b"\n").await.with_code(0);
    assert_eq!(ended.stderr, "0 sent, 0 not sent");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_the_others_are_sent() {
    let site = Site::new().await;
    let directory = TempDir::new().expect("it can be made");
    let good = file(&directory, "good.jsonl", order("1", 1).to_string());
    let good = good.display().to_string();
    let missing = directory.path().join("missing").display().to_string();
    let folder = directory.path().display().to_string();
    let ended = site
        .run(&placed(&[&missing, &good, &folder]))
        .await
        .with_code(3);
    for name in [&missing, &folder] {
        let line = format!("{name}: cannot be read: ");
        assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    }
    assert_eq!(site.queue.counts().await.visible, 1);
}

#[tokio::test]
async fn a_queue_may_be_a_name_or_a_url() {
    let site = Site::new().await;
    let parcels = Mailbox::create(site.sqs(), "parcels", &[]).await;
    let url = format!("{}/000000000000/parcels", site.endpoint());
    for queue in ["parcels", &url] {
        let arguments = ["enqueue", queue, "--type", "parcel.sent"];
        let ended = site.run_with_input(&arguments, b"{\"any\":1}").await;
        ended.with_code(0);
    }
    assert_eq!(parcels.counts().await.visible, 2);
}

#[tokio::test]
async fn an_unknown_queue_is_refused_by_name() {
    let site = Site::new().await;
    let url = format!("{}/000000000000/parcels", site.endpoint());
    for queue in ["parcels", &url] {
        let arguments = ["enqueue", queue, "--type", "parcel.sent"];
        let ended = site.run_with_input(&arguments, b"{\"any\":1}").await;
        let ended = ended.with_code(2);
        assert!(ended.stderr.contains("parcels"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_configured_queue_that_does_not_exist_is_refused_by_name() {
    let site = Site::new().await;
    let url = format!("{}/000000000000/gone", site.endpoint());
    let site = site.with("BILLING_QUEUE_URL", &url);
    let line = order("1", 1).to_string();
    let ended = site.run_with_input(&PLACED, line.as_bytes()).await;
    let ended = ended.with_code(2);
    assert!(ended.stderr.contains("gone"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_endpoint_that_is_down_fails_and_names_the_queue() {
    let site = Site::new()
        .await
        .with("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1");
    let line = order("1", 1).to_string();
    let ended = site.run_with_input(&PLACED, line.as_bytes()).await;
    let ended = ended.with_code(1);
    assert!(ended.stderr.contains("billing"), "{}", ended.stderr);
}

#[tokio::test]
async fn queues_show_what_they_hold() {
    let site = Site::new().await;
    for _ in 0..3 {
        site.queue.send("{}", Default::default()).await;
    }
    site.dead_letters.send("{}", Default::default()).await;
    let ended = site.run(&["queues"]).await.with_code(0);
    assert_eq!(ended.stderr, "");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.stdout);
    for heading in ["CONSUMER", "BACKLOG", "IN FLIGHT", "DELAYED", "DEAD"] {
        assert!(lines[0].contains(heading), "{}", ended.stdout);
    }
    let ended = site.run(&["queues", "--json"]).await.with_code(0);
    let rows = ended.json();
    let row = &rows[0];
    assert_eq!(row["consumer"], "billing");
    assert_eq!(row["backlog"], 3);
    assert_eq!(row["in_flight"], 0);
    assert_eq!(row["delayed"], 0);
    assert_eq!(row["dead_letter_queue"], "billing-dlq");
    assert_eq!(row["dead_letters"], 1);
    assert_eq!(row["visibility_timeout_secs"], 60);
    assert_eq!(row["max_receive_count"], 100);
    assert_eq!(row["concurrency"], 16);
    assert_eq!(row["max_attempts"], 5);
    assert_eq!(row["handler_timeout_secs"], 30.0);
}

#[tokio::test]
async fn a_missing_dead_letter_queue_is_named_and_the_rest_is_shown() {
    let site = Site::new().await;
    site.delete("billing-dlq").await;
    let ended = site.run(&["queues", "--json"]).await.with_code(3);
    assert!(ended.stderr.contains("billing-dlq"), "{}", ended.stderr);
    let rows = ended.json();
    assert_eq!(rows[0]["backlog"], 0);
    assert_eq!(rows[0]["dead_letters"], Value::Null);
}

#[tokio::test]
async fn a_missing_queue_is_named() {
    let site = Site::new().await;
    site.delete("billing").await;
    let ended = site.run(&["queues"]).await.with_code(1);
    assert!(ended.stderr.contains("billing"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}
