//! `why`: the timeline of an event, as the parts of the fleet have written it.
#![forbid(unsafe_code)]

use std::process::Stdio;

use fleet::store::{PostgresOptions, PostgresStore};
use fleet_tests::books::{order, placed};
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use serde_json::{Value, json};

const INVOICES: &str = "billing.invoices";

/// Puts a word in the place of every time and every MessageId, for they are new each time.
fn normal(text: &str) -> String {
    let kind = |word: &str| {
        let has = |count: usize, c: char| word.chars().filter(|other| *other == c).count() == count;
        let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        let is_time = word.len() == 20 && word.ends_with('Z') && has(2, ':');
        let is_message = word.len() == 36 && has(4, '-') && word.chars().all(is_hex);
        match (is_time, is_message) {
            (true, _) => "[time]".to_owned(),
            (_, true) => "[message]".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches([',', ';', ':']);
            kind(bare) + &word[bare.len()..]
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

/// Writes an order that billing refuses for good.
fn without_customer(id: &str) -> String {
    let mut order = order(id, 1);
    order["customer_id"] = Value::Null;
    order.to_string()
}

async fn why(site: &Site, arguments: &[&str]) -> Ended {
    site.run(&[&["why"], arguments].concat()).await
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

/// Returns the one row of a query, in which there is one.
async fn row(site: &Site, query: &str) -> Value {
    let rows = site.books.rows(query).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().expect("there is one")
}

#[tokio::test]
async fn an_order_that_waited_and_failed_once_is_shown_to_be_done_exactly_once() {
    let site = Site::new().await.with("BILLING_HANDLER_TIMEOUT", "2s");
    site.books.place(&[order("536365", 2).to_string()]).await;
    let id = "placed/536365";
    let waits = why(&site, &[id]).await.with_code(0);
    insta::assert_snapshot!(normal(&waits.stdout), @r"
    event placed/536365 of /fleet/orders, order.placed
    billing: waiting in the outbox since [time]

    TIME                  CONSUMER  WHAT      DETAIL
    [time]  billing   enqueued  outbox row 1
    ");

    let store = PostgresStore::connect(site.books.url(), PostgresOptions::default());
    let locked = store.expect("the address is legal").begin().await;
    let locked = locked.expect("the database answers");
    let lock = "lock table billing.invoices in access exclusive mode";
    locked.execute(lock, &[]).await.expect("nobody has it");
    let (relay, _probe) = site.start_ready(&["relay"]).await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.attempts", 1).await;
    locked.rollback().await;
    site.books.until_count(INVOICES, 1).await;
    end(worker).await;
    end(relay).await;
    let done = why(&site, &[id]).await.with_code(0);
    assert_eq!(done.stderr, "");
    insta::assert_snapshot!(normal(&done.stdout), @r"
    event placed/536365 of /fleet/orders, order.placed
    billing: done exactly once, at [time], after 1 failed attempt

    TIME                  CONSUMER  WHAT              DETAIL
    [time]  billing   enqueued          outbox row 1
    [time]  billing   sent              by a relay to its queue
    [time]  billing   timed out         handler timed out; receive 1 of [message], charged
    [time]  billing   effect committed  done; whatever comes after it changes nothing
    ");
}

#[tokio::test]
async fn a_dead_order_is_found_by_each_of_its_ids_and_followed_through_its_replay() {
    let site = Site::new().await;
    site.books.place(&[without_customer("7")]).await;
    let (relay, _probe) = site.start_ready(&["relay"]).await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.dead_letters", 1).await;
    let dead = row(&site, "select * from fleet.dead_letters").await;
    let text = |column: &str| dead[column].as_str().expect("it is text").to_owned();
    let (copy, original) = (text("copy_id"), text("message_id"));
    let told = why(&site, &["placed/7"]).await.with_code(0).stdout;
    insta::assert_snapshot!(normal(&told), @r"
    event placed/7 of /fleet/orders, order.placed
    billing: dead since [time], in billing-dlq: no customer (permanent)

    TIME                  CONSUMER  WHAT           DETAIL
    [time]  billing   enqueued       outbox row 1
    [time]  billing   sent           by a relay to its queue
    [time]  billing   dead-lettered  no customer (permanent); 1 attempt, 1 receive; [message] became [message] in billing-dlq
    ");
    for message in [&copy, &original] {
        let by_message = why(&site, &[message]).await.with_code(0).stdout;
        let belongs = format!(", to which message {message} belongs");
        assert_eq!(by_message.replacen(&belongs, "", 1), told);
        assert_ne!(by_message, told);
    }

    end(worker).await;
    end(relay).await;

    // As a replay does it, with the order mended on the way.
    let mut mended: Value = serde_json::from_str(&placed(&order("7", 1))).expect("it is JSON");
    mended["id"] = json!("placed/7");
    let again = site
        .queue
        .send(&mended.to_string(), Default::default())
        .await;
    site.books
        .run(&format!(
            "with r as (
                insert into fleet.replays (queue, destination, filter, who, state, kind, ended_at)
                values ('billing-dlq', 'billing', '{{}}', 'ann@desk', 'done', 'edit', now())
                returning id)
             insert into fleet.replay_entries
                (replay_id, queue, message_id, source, event_id, state, sent_message_id, edited,
                 sent_at, deleted_at)
             select id, 'billing-dlq', '{copy}', '/fleet/orders', 'placed/7', 'deleted', '{again}',
                 true, now(), now() from r"
        ))
        .await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count(INVOICES, 1).await;
    end(worker).await;
    let told = why(&site, &[&again]).await.with_code(0).stdout;
    insta::assert_snapshot!(normal(&told), @r"
    event placed/7 of /fleet/orders, order.placed, to which message [message] belongs
    billing: done exactly once, at [time], after 1 dead letter, 1 replay

    TIME                  CONSUMER  WHAT                 DETAIL
    [time]  billing   enqueued             outbox row 1
    [time]  billing   sent                 by a relay to its queue
    [time]  billing   dead-lettered        no customer (permanent); 1 attempt, 1 receive; [message] became [message] in billing-dlq
    [time]  billing   replay planned       edit 1 by ann@desk: [message] to billing
    [time]  billing   replayed             edit 1: [message] became [message] in billing, edited
    [time]  billing   dead letter deleted  edit 1: [message] in billing-dlq
    [time]  billing   effect committed     done; whatever comes after it changes nothing
    ");
}

#[tokio::test]
async fn a_message_without_an_outbox_row_is_told_of_from_what_it_left_in_the_inbox() {
    let site = Site::new().await;
    site.queue
        .send(&placed(&order("9", 1)), Default::default())
        .await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count(INVOICES, 1).await;
    end(worker).await;
    let told = why(&site, &["9"]).await.with_code(0).stdout;
    insta::assert_snapshot!(normal(&told), @r"
    event 9 of /fleet/orders
    billing: done exactly once, at [time]

    TIME                  CONSUMER  WHAT              DETAIL
    [time]  billing   effect committed  done; whatever comes after it changes nothing
    ");
}

#[tokio::test]
async fn what_cannot_be_decoded_is_found_by_its_message_id() {
    let site = Site::new().await;
    let message = site.queue.send("not JSON", Default::default()).await;
    let (worker, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.dead_letters", 1).await;
    end(worker).await;
    let told = why(&site, &[&message]).await.with_code(0).stdout;
    insta::assert_snapshot!(normal(&told), @r"
    event [message] of billing
    billing: dead since [time], in billing-dlq: body is not JSON (line 1, column 2) (undecodable)

    TIME                  CONSUMER  WHAT           DETAIL
    [time]  billing   dead-lettered  body is not JSON (line 1, column 2) (undecodable); 0 attempts, 1 receive; [message] became [message] in billing-dlq
    ");
}

#[tokio::test]
async fn two_sources_with_one_id_are_told_apart() {
    let site = Site::new().await;
    site.books
        .run(
            "insert into fleet.outbox
                (destination, source, event_id, event_type, time, data, sent_at, trace_parent)
             select 'billing', source, '1', 'order.placed', now(), '{\"secret\": 1}', sent, trace
             from (values ('/a', now(), '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
                ('/b', null, null)) as v (source, sent, trace)",
        )
        .await;
    let both = why(&site, &["1"]).await.with_code(0).stdout;
    insta::assert_snapshot!(normal(&both), @r"
    event 1 of /a, order.placed, trace 4bf92f3577b34da6a3ce929d0e0e4736
    billing: sent at [time], and neither done nor failed: in its queue, or being worked on

    TIME                  CONSUMER  WHAT      DETAIL
    [time]  billing   enqueued  outbox row 1
    [time]  billing   sent      by a relay to its queue

    event 1 of /b, order.placed
    billing: waiting in the outbox since [time]

    TIME                  CONSUMER  WHAT      DETAIL
    [time]  billing   enqueued  outbox row 2
    ");
    let one = why(&site, &["1", "--source", "/b"]).await.with_code(0);
    assert!(one.stdout.starts_with("event 1 of /b, order.placed\n"));
    assert!(both.ends_with(&one.stdout), "{both}");

    let told = why(&site, &["1", "--json"]).await.with_code(0).json();
    assert!(!told.to_string().contains("secret"), "{told}");
    assert_eq!(told["asked"], "1");
    let [a, b] = &told["events"].as_array().expect("a list")[..] else {
        panic!("there are two: {told}");
    };
    assert_eq!(a["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (&a["source"], &a["verdicts"][0]["state"]),
        (&json!("/a"), &json!("sent"))
    );
    assert_eq!(
        (&b["source"], &b["verdicts"][0]["state"]),
        (&json!("/b"), &json!("waiting"))
    );
    assert_eq!(b["outbox"][0]["consumer"], "billing");
    for table in ["attempts", "inbox", "dead_letters", "replays"] {
        assert_eq!(a[table], json!([]), "{table}");
    }
}

#[tokio::test]
async fn nothing_that_a_message_says_steers_the_terminal() {
    let site = Site::new().await;
    site.books
        .run(
            "insert into fleet.attempts
                (consumer, message_id, receive, source, event_id, outcome, charged, reason, at)
             select 'bil' || e, 'm' || e, 1, '/s' || e, 'i' || e, 'failed', true, 'why' || e, now()
             from (select E'\\u001b[2J\\u202e' as e) e",
        )
        .await;
    let told = why(&site, &["i\u{1b}[2J\u{202e}"])
        .await
        .with_code(0)
        .stdout;
    assert!(told.contains("why\\u{1b}[2J\\u{202e}"), "{told}");
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    let unknown = why(&site, &["x\u{1b}[2J"]).await.with_code(1).stderr;
    assert!(unknown.contains("x\\u{1b}[2J"), "{unknown:?}");
}

#[tokio::test]
async fn an_unknown_id_is_answered_with_where_was_looked_and_what_may_be_the_reason() {
    let site = Site::new().await;
    let unknown = why(&site, &["4711"]).await.with_code(1);
    assert_eq!(unknown.stdout, "");
    insta::assert_snapshot!(unknown.stderr, @"fleet: nothing is on record of 4711: neither the outbox nor the attempts, dead letters, replays or finished events of this database know it as an event's id or as a MessageId; either the id is wrong, or the event was sent straight to SQS and no consumer has finished or failed it so far, or it is longer ago than rows are kept (7 days once sent, 45 days once done or failed)");
    site.queue
        .send(&placed(&order("9", 1)), Default::default())
        .await;
    let other = why(&site, &["4711", "--source", "/s"]).await.with_code(1);
    assert!(other.stderr.contains("4711 of /s"), "{}", other.stderr);
}

#[tokio::test]
async fn what_is_needed_is_a_database_with_its_tables_and_an_id() {
    let site = Site::new().await;
    let refused = why(&site, &[]).await.with_code(2);
    assert!(refused.stderr.contains("<EVENT_ID>"), "{}", refused.stderr);
    why(&site, &[""]).await.with_code(2);
    let unmigrated = Site::unmigrated().await;
    let refused = why(&unmigrated, &["1"]).await.with_code(2);
    assert!(
        refused.stderr.contains("run `fleet migrate`"),
        "{}",
        refused.stderr
    );
    let mut down = Site::unmigrated().await;
    let _closed = down.gate_database().await;
    let failed = why(&down, &["1"]).await.with_code(1);
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("the database cannot be asked"),
        "{}",
        failed.stderr
    );
    let help = why(&site, &["--help"]).await.with_code(0).stdout;
    assert!(
        help.contains("fleet why 536365 --source /fleet/orders --json"),
        "{help}"
    );
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    let site = Site::new().await;
    site.books
        .run("insert into fleet.inbox values ('billing', '/s', '1')")
        .await;
    for arguments in [&["why", "1"][..], &["why", "1", "--json"]] {
        let mut command = site.command(arguments);
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        command.stdin(Stdio::null()).stdout(writer);
        let child = command.stderr(Stdio::piped()).spawn();
        let output = child.expect("it can be run").wait_with_output().await;
        let output = output.expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(output.stderr, b"", "{arguments:?}");
    }
}
