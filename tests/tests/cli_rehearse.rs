//! `dlq replay --rehearse`, with the real program and handlers of every mood.
#![forbid(unsafe_code)]

use fleet_tests::books::{order, placed};
use fleet_tests::graves::{bury, bury_order, failure, rows};
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use serde_json::{Value, json};
use sqs_local::MessageAttributes;

const REHEARSE: [&str; 4] = ["dlq", "replay", "billing", "--rehearse"];

/// What a good order died of when the prices were away.
const OUTAGE: &str = "the price list was missing";

async fn rehearse(site: &Site, more: &[&str]) -> Ended {
    site.run(&[&REHEARSE, more].concat()).await
}

fn without_customer(id: &str) -> Value {
    let mut order = order(id, 1);
    order["customer_id"] = Value::Null;
    order
}

#[tokio::test]
async fn what_would_become_of_each_failure_is_shown_and_nothing_happens() {
    let site = Site::new().await;
    for id in ["1", "2"] {
        bury_order(&site, &order(id, 1), OUTAGE).await;
    }
    bury_order(&site, &without_customer("3"), "no customer").await;
    bury_order(&site, &without_customer("4"), OUTAGE).await;
    bury_order(&site, &order("done", 1), OUTAGE).await;
    site.books
        .run("insert into fleet.inbox (consumer, source, id) values ('billing', '/fleet/orders', 'done')")
        .await;
    let unknown = r#"{"specversion":"1.0","id":"6","source":"/fleet/orders","type":"order.lost"}"#;
    bury(
        &site,
        unknown,
        &failure("order.lost", "6", "no handler for the type"),
    )
    .await;
    let misfit = placed(&json!({ "order_id": 7 }));
    bury(&site, &misfit, &failure("order.placed", "7", "\u{1b}[2J")).await;
    let before = rows(&site.books).await;

    let ended = rehearse(&site, &[]).await.with_code(3);
    insta::assert_snapshot!(ended.stdout, @r#"
    TYPE          REASON BEFORE               WOULD                                                 COUNT  SAMPLE ID
    order.lost    no handler for the type     no handler                                                1  6
    order.placed  \u{1b}[2J                   undecodable: CloudEvents envelope: `id` is no string      1  7
    order.placed  the price list was missing  already done                                              1  done
    order.placed  the price list was missing  pass                                                      2  1
    order.placed  the price list was missing  fail: no customer                                         1  4
    order.placed  no customer                 fail again: no customer                                   1  3
    "#);
    insta::assert_snapshot!(ended.stderr, @r"
    looked at 7 of about 7 in billing-dlq
    fleet: 4 of 7 would not get done
    ");
    assert_eq!(rows(&site.books).await, before);
    assert_eq!(site.dead_letters.counts().await.visible, 7);
    assert_eq!(site.queue.counts().await.total(), 0);
}

#[tokio::test]
async fn the_exit_code_says_whether_all_some_or_none_would_get_done() {
    let site = Site::new().await;
    let nothing = rehearse(&site, &[]).await.with_code(0);
    assert_eq!(nothing.stdout, "nothing to rehearse");
    bury_order(&site, &order("1", 1), OUTAGE).await;
    let all = rehearse(&site, &["--json"]).await.with_code(0).json();
    insta::assert_snapshot!(format!("{all:#}"), @r#"
    {
      "already_done": 0,
      "copies": 0,
      "events": 1,
      "left_out": 0,
      "published": {},
      "queue": "billing-dlq",
      "verdicts": [
        {
          "event_type": "order.placed",
          "events": 1,
          "fingerprint": null,
          "fingerprint_before": "82d5a1666061",
          "is_same": false,
          "reason": null,
          "reason_before": "the price list was missing",
          "sample_id": "1",
          "would": "pass"
        }
      ],
      "would_not": 0,
      "would_pass": 1
    }
    "#);
    bury_order(&site, &without_customer("2"), "no customer").await;
    rehearse(&site, &[]).await.with_code(3);
    let none = rehearse(&site, &["--reason", "no customer"])
        .await
        .with_code(1);
    assert!(
        none.stderr.contains("none of 1 would get done"),
        "{}",
        none.stderr
    );
}

#[tokio::test]
async fn copies_are_rehearsed_once_and_what_is_too_much_is_counted() {
    let site = Site::new().await;
    for id in ["1", "1", "2", "3"] {
        bury_order(&site, &order(id, 1), OUTAGE).await;
    }
    let ended = rehearse(&site, &["--json"]).await.with_code(0).json();
    assert_eq!((&ended["events"], &ended["copies"]), (&json!(3), &json!(1)));
    let ended = rehearse(&site, &["--json", "--max", "1"])
        .await
        .with_code(0);
    assert_eq!(ended.json()["events"], 1);
    assert!(
        ended.stderr.contains("more are meant; --max"),
        "{}",
        ended.stderr
    );
}

/// A site where `moody` works.
async fn moody() -> Site {
    let site = Site::new().await.with("BILLING_HANDLER_TIMEOUT", "1s");
    let subscribe = "insert into fleet.subscriptions values ('batch', 'one'), ('batch', 'two')";
    site.books.run(subscribe).await;
    site.books
        .run("create table effects (mood text not null)")
        .await;
    site
}

fn start(site: &Site, more: &[&str]) -> Process {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_moody"));
    command
        .args(REHEARSE)
        .args(more)
        .env_clear()
        .envs(&site.env);
    Process::start(command)
}

async fn bury_mood(site: &Site, event_type: &str, mood: &str, reason: &str) {
    let id = format!("{event_type} {mood}");
    let body = json!({
        "specversion": "1.0", "id": id, "source": "/fleet/orders", "type": event_type,
        "data": { "mood": mood },
    });
    bury(site, &body.to_string(), &failure(event_type, &id, reason)).await;
}

#[tokio::test]
async fn handlers_of_every_mood_leave_nothing_and_say_nothing_of_their_messages() {
    let site = moody().await;
    for event_type in ["single", "batch"] {
        bury_mood(&site, event_type, "fine", OUTAGE).await;
        bury_mood(&site, event_type, "publish", OUTAGE).await;
        bury_mood(&site, event_type, "reject", "in no mood").await;
        bury_mood(&site, event_type, "flake", OUTAGE).await;
        bury_mood(&site, event_type, "panic", OUTAGE).await;
        bury_mood(&site, event_type, "hang", OUTAGE).await;
    }
    let before = rows(&site.books).await;
    let ended = start(&site, &[]).ended().await.with_code(3);
    insta::assert_snapshot!(ended.stdout, @r"
    TYPE    REASON BEFORE               WOULD                    COUNT  SAMPLE ID
    batch   in no mood                  fail again: in no mood       1  batch reject
    batch   the price list was missing  fail: in a bad mood          1  batch flake
    batch   the price list was missing  fail: handler panicked       1  batch panic
    batch   the price list was missing  pass                         2  batch fine
    batch   the price list was missing  fail: handler timed out      1  batch hang
    single  in no mood                  fail again: in no mood       1  single reject
    single  the price list was missing  fail: in a bad mood          1  single flake
    single  the price list was missing  fail: handler panicked       1  single panic
    single  the price list was missing  pass                         2  single fine
    single  the price list was missing  fail: handler timed out      1  single hang

    WOULD PUBLISH  EVENTS  MESSAGES
    batch               2         4
    ");
    assert!(ended.stderr.contains("panicked at "), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("panicked at ").count(), 1);
    assert_eq!(rows(&site.books).await, before);
}

#[tokio::test]
async fn handlers_with_effects_outside_are_refused_by_name_before_anything_runs() {
    let site = moody().await;
    bury_mood(&site, "single", "hang", OUTAGE).await;
    bury_mood(&site, "mail", "fine", OUTAGE).await;
    let refused = start(&site, &[]).ended().await.with_code(2);
    let why = "moody: billing handles mail with effects outside Postgres: a rollback cannot undo \
               these, so nothing was rehearsed; name the other types with --type";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hangs"), "{}", refused.stderr);
    assert!(
        !refused.stderr.contains("sent a mail"),
        "{}",
        refused.stderr
    );
    start(&site, &["--type", "single"])
        .ended()
        .await
        .with_code(1);
}

#[tokio::test]
async fn an_interrupt_cancels_the_handlers() {
    let site = moody().await.with("BILLING_HANDLER_TIMEOUT", "60s");
    bury_mood(&site, "single", "hang", OUTAGE).await;
    let before = rows(&site.books).await;
    let mut rehearsing = start(&site, &[]);
    rehearsing.says("hangs").await;
    rehearsing.signal(Signal::Interrupt);
    rehearsing.ended().await.with_code(130);
    assert_eq!(rows(&site.books).await, before);
    let open = "select 1 from pg_stat_activity where datname = current_database()
        and state = 'idle in transaction'";
    assert!(site.books.rows(open).await.is_empty());
}

#[tokio::test]
async fn what_a_rehearsal_cannot_do_without_is_named() {
    let site = Site::new().await.with("DATABASE_URL", "");
    let ended = rehearse(&site, &[]).await.with_code(2);
    assert!(ended.stderr.contains("DATABASE_URL"), "{}", ended.stderr);
    let down = "postgres://nobody:none@127.0.0.1:1/none";
    let ended = rehearse(&site.with("DATABASE_URL", down), &[]).await;
    let stderr = ended.with_code(1).stderr;
    assert!(stderr.contains("the database cannot be asked"), "{stderr}");
    let ended = rehearse(&Site::unmigrated().await, &[]).await.with_code(2);
    assert!(
        ended.stderr.contains("run `fleet migrate`"),
        "{}",
        ended.stderr
    );
    let site = Site::new().await;
    for flag in [
        &["--yes"][..],
        &["--canary", "1"],
        &["--resume", "1"],
        &["--to", "billing"],
    ] {
        let ended = rehearse(&site, flag).await.with_code(2);
        assert!(
            ended.stderr.contains("cannot be used with"),
            "{}",
            ended.stderr
        );
    }
    // Nobody of this program gave up on it.
    let stranger = placed(&order("1", 1));
    site.dead_letters
        .send(&stranger, MessageAttributes::new())
        .await;
    rehearse(&site, &[]).await.with_code(0);
}
