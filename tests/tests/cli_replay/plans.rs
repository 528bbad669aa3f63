use fleet_tests::books::order;
use fleet_tests::process::Process;
use fleet_tests::site::Site;
use insta::assert_snapshot;
use serde_json::json;

use crate::graveyard::{bury, bury_hopeless, bury_orders, failure, marked};

const DRY: [&str; 4] = ["dlq", "replay", "billing", "--dry-run"];

/// Takes times out of a text.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n', ':']);
    let is_time = |word: &&str| word.starts_with("20") && word.contains('T');
    let mut out = String::new();
    let mut skip = 0;
    for word in words {
        if is_time(&word) {
            out += "TIME";
            // The minutes and the seconds stand behind colons.
            skip = 2;
            continue;
        }
        if skip > 0 {
            skip -= 1;
            if skip == 0 {
                out.extend(word.chars().skip_while(|c| c.is_ascii_digit() || *c == 'Z'));
            }
            continue;
        }
        out += word;
    }
    out
}

#[tokio::test]
async fn a_plan_names_what_goes_where_and_changes_nothing() {
    let site = Site::new().await;
    bury_orders(&site, 0..12).await;
    bury_hopeless(&site, "900").await;
    // A copy of an event that is there already, and one that is done by now.
    bury(&site, &order("3", 1), crate::graveyard::OUTAGE).await;
    let done =
        "insert into fleet.inbox (consumer, source, id) values ('billing', '/fleet/orders', '5')";
    site.books.run(done).await;
    let arguments = [&DRY[..], &["--rate", "5/s", "--canary-timeout", "90s"]].concat();
    let ended = site.run(&arguments).await.with_code(0);
    assert_snapshot!(timeless(&ended.stdout), @"
    from          billing-dlq
    to            billing, the queue of consumer billing
    messages      14, dead before TIME
    events        13; a copy of one of them is not sent again
    already done  1, which will be dropped
    pace          5 a second, about 3 s

    CLASS      TYPE          MESSAGES  REASON
    permanent  order.placed        13  the price list was missing
    permanent  order.placed         1  no customer
    ");
    assert_eq!(site.dead_letters.counts().await.visible, 14);
    assert_eq!(site.books.count("fleet.replays").await, 0);

    let arguments = [
        &DRY[..],
        &["--json", "--reason", "no customer", "--max", "3"],
    ]
    .concat();
    let plan = site.run(&arguments).await.with_code(0).json();
    assert_eq!(plan["messages"], 1, "{plan}");
    assert_eq!(plan["destination"], "billing", "{plan}");
    assert_eq!(plan["consumer"], "billing", "{plan}");
    assert_eq!(plan["filter"], json!({"reason": "no customer"}), "{plan}");
    assert_eq!(plan["kinds"][0]["reason"], "no customer", "{plan}");
    assert_eq!(plan["max"], 3, "{plan}");
}

#[tokio::test]
async fn nothing_in_a_message_steers_the_terminal() {
    let site = Site::new().await;
    bury(&site, &order("1", 1), "bad\u{1b}[2J\u{202e}news").await;
    let ended = site.run(&DRY).await.with_code(0);
    assert!(
        ended.stdout.contains("bad\\u{1b}[2J\\u{202e}news"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains('\u{1b}'));
}

#[tokio::test]
async fn what_goes_without_its_history_and_what_runs_beside_is_said() {
    let site = Site::new().await;
    let full = "x".repeat(fleet::message::BODY_BYTES_MAX);
    site.dead_letters.send(&full, Default::default()).await;
    let running = "insert into fleet.replays (queue, destination, filter, who, state)
        values ('billing-dlq', 'billing', '{}', 'eve@host', 'running')";
    site.books.run(running).await;
    let text = site.run(&DRY).await.with_code(0).stdout;
    assert!(
        text.contains("1 so large that they go without their history"),
        "{text}"
    );
    assert!(text.contains("replay 1 by eve@host since"), "{text}");
    assert!(text.contains("--resume 1 goes on with it"), "{text}");
}

#[tokio::test]
async fn an_empty_queue_is_nothing_to_replay() {
    let site = Site::new().await;
    let replay = ["dlq", "replay", "billing", "--yes"];
    let ended = site.run(&replay).await.with_code(0);
    assert!(
        ended.stderr.contains("there is nothing to replay"),
        "{}",
        ended.stderr
    );
    let ended = site
        .run(&[&replay[..], &["--json"]].concat())
        .await
        .with_code(0);
    assert_eq!(ended.json(), json!({"state": "done", "replayed": 0}));
    let ended = site.run(&["dlq", "replays"]).await.with_code(0);
    assert!(
        ended.stderr.contains("nothing was ever replayed"),
        "{}",
        ended.stderr
    );
    let ended = site.run(&["dlq", "replays", "--json"]).await.with_code(0);
    assert_eq!(ended.json(), json!([]));
}

#[tokio::test]
async fn events_that_may_be_forgotten_are_refused_and_go_by_force() {
    let site = Site::new().await;
    let mut failure = failure("1", "no price");
    failure.first_sent_at = "2020-01-01T00:00:00Z".parse().expect("it is a time");
    let body = fleet_tests::books::placed(&order("1", 1));
    site.dead_letters.send(&body, marked(&failure)).await;
    let replay = ["dlq", "replay", "billing", "--yes"];
    let ended = site.run(&replay).await.with_code(2);
    let why = "were first sent more than 45 days ago";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert_eq!(site.dead_letters.counts().await.visible, 1);
    site.run(&[&replay[..], &["--force"]].concat())
        .await
        .with_code(0);
    assert_eq!(site.queue.counts().await.visible, 1);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_nothing() {
    let site = Site::new().await;
    bury_orders(&site, 0..3).await;
    let mut command = tokio::process::Command::new("sh");
    let program = fleet_tests::programs::fleet();
    let line = format!("'{}' dlq replay billing --yes | true", program.display());
    command.args(["-c", &line]).env_clear().envs(&site.env);
    Process::start(command).ended().await.with_code(0);
    assert_eq!(site.queue.counts().await.visible, 3);
}
