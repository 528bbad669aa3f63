//! `outbox`: what waits, what is parked, and what operators decide on it.
#![forbid(unsafe_code)]

use fleet::store::{PostgresOptions, PostgresStore};
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use fleet_tests::terminal::{Key, Terminal};
use serde_json::{Value, json};

const TOO_LARGE: &str = "larger than SQS takes (1048576 bytes)";

/// A row for each of the values; those with a reason are parked.
async fn fill(site: &Site, values: &str) {
    let insert = format!(
        "insert into fleet.outbox
            (destination, source, event_id, event_type, time, data, ordering_key, parked_reason,
             parked_at, created_at)
         select destination, '/s', event_id, 'order.placed', now(), '{{\"secret\": 1}}', key, reason,
             case when reason is not null then now() end, now() - interval '1 day 1 hour 1 second'
         from (values {values}) as v (destination, event_id, key, reason)"
    );
    site.books.run(&insert).await;
}

/// A site with a parked row that halts another, and with one that is parked for another reason.
async fn with_parked() -> Site {
    let site = Site::new().await.with("USER", "ann");
    let values = format!(
        "('billing', 'e1', 'k', '{TOO_LARGE}'), ('billing', 'e2', 'k', null),
         ('billing', 'e3', null, 'SQS refuses it: InvalidMessageContents'), ('mail', 'e4', null, null)"
    );
    fill(&site, &values).await;
    site
}

async fn outbox(site: &Site, arguments: &[&str]) -> Ended {
    site.run(&[&["outbox"], arguments].concat()).await
}

/// How each row stands, by its number.
async fn states(site: &Site) -> Vec<Value> {
    let query = "select id, case when discarded_at is not null then 'discarded'
            when sent_at is not null then 'sent'
            when parked_at is not null then 'parked' else 'waiting' end as state
        from fleet.outbox order by id";
    let rows = site.books.rows(query).await;
    rows.iter().map(|row| row["state"].clone()).collect()
}

/// Puts a word in the place of every time.
fn normal(text: &str) -> String {
    let line = |line: &str| {
        let words = line.split(' ').map(|word| {
            let is_time = word.len() == 20 && word.ends_with('Z') && word.contains('T');
            if is_time { "[time]" } else { word }
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

#[tokio::test]
async fn what_waits_and_what_is_parked_is_counted_and_listed() {
    let site = with_parked().await;
    let stats = outbox(&site, &["stats"]).await.with_code(0);
    insta::assert_snapshot!(stats.stdout, @r"
    DESTINATION  WAITING  PARKED  OLDEST WAITING
    billing            1       2          25h 1s
    mail               1       0          25h 1s
    ");
    let stats = outbox(&site, &["stats", "--json"])
        .await
        .with_code(0)
        .json();
    assert_eq!(stats[0]["destination"], "billing");
    assert_eq!(stats[0]["waiting"], 1);
    assert_eq!(stats[0]["parked"], 2);
    assert!(
        stats[0]["oldest_age_secs"].as_f64() > Some(90_000.0),
        "{stats}"
    );

    let list = outbox(&site, &["ls"]).await.with_code(0);
    assert_eq!(list.stderr, "");
    insta::assert_snapshot!(normal(&list.stdout), @r"
    ID  DESTINATION  EVENT  TYPE          ORDERING KEY  ENQUEUED              STATE    REASON
     1  billing      e1     order.placed  k             [time]  parked   larger than SQS takes (1048576 bytes)
     2  billing      e2     order.placed  k             [time]  waiting  -
     3  billing      e3     order.placed  -             [time]  parked   SQS refuses it: InvalidMessageContents
     4  mail         e4     order.placed  -             [time]  waiting  -
    ");
    let list = async |arguments: &[&str]| {
        let arguments = [&["ls", "--json"], arguments].concat();
        let ended = outbox(&site, &arguments).await.with_code(0);
        assert!(!ended.stdout.contains("secret"), "{}", ended.stdout);
        let rows = ended.json();
        let rows = rows.as_array().expect("a list").clone();
        let ids = rows.iter().map(|row| row["event_id"].clone());
        (json!(ids.collect::<Vec<_>>()), ended.stderr)
    };
    assert_eq!(list(&["--parked"]).await.0, json!(["e1", "e3"]));
    assert_eq!(list(&["--waiting"]).await.0, json!(["e2", "e4"]));
    assert_eq!(list(&["mail"]).await.0, json!(["e4"]));
    assert_eq!(list(&["--type", "other"]).await.0, json!([]));
    let (first, said) = list(&["--limit", "2"]).await;
    assert_eq!(first, json!(["e1", "e2"]));
    assert_eq!(said, "there are more than these 2; --limit shows more");
}

#[tokio::test]
async fn an_empty_outbox_says_so() {
    let site = Site::new().await;
    for (arguments, said) in [
        (&["stats"][..], "nothing waits, and nothing is parked"),
        (&["ls"], "there are no such rows"),
        (&["retry", "--all"], "nothing to do"),
        (
            &["discard", "--all", "--reason", "why", "--yes"],
            "nothing to do",
        ),
    ] {
        let ended = outbox(&site, arguments).await.with_code(0);
        assert_eq!(
            (&ended.stdout[..], &ended.stderr[..]),
            ("", said),
            "{arguments:?}"
        );
    }
    for arguments in [["stats", "--json"], ["ls", "--json"]] {
        let ended = outbox(&site, &arguments).await.with_code(0);
        assert_eq!(ended.json(), json!([]), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_retried_row_is_sent_first_of_its_key_and_a_second_retry_has_nothing_to_do() {
    let site = with_parked().await;
    let (relay, _probe) = site.start_ready(&["relay"]).await;
    let retried = outbox(&site, &["retry", "1"]).await.with_code(0);
    assert_eq!(retried.stderr, "1 row can be sent again");
    site.queue.until_holds(2).await;
    end(relay).await;
    let sent = site.queue.peek().await;
    let ids = sent.iter().map(|message| {
        let body: Value = serde_json::from_str(&message.body).expect("a CloudEvent");
        body["id"].clone()
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["e1", "e2"]);
    let again = outbox(&site, &["retry", "1"]).await.with_code(0);
    insta::assert_snapshot!(normal(&again.stderr).replace(&host_of(&again.stderr), "[host]"), @r"
    row 1 was made sendable at [time] by ann@[host]
    nothing to do
    ");
    let story = site.run(&["why", "e1"]).await.with_code(0).stdout;
    assert!(story.contains("made sendable"), "{story}");
    assert!(
        story.contains(&format!("it had been parked: {TOO_LARGE}")),
        "{story}"
    );
}

/// Returns what stands behind the operator's name.
fn host_of(text: &str) -> String {
    let host = text.split("ann@").nth(1).expect("it says who");
    let end = host.find(|c: char| c.is_whitespace() || ":;,".contains(c));
    host[..end.unwrap_or(host.len())].to_owned()
}

#[tokio::test]
async fn retries_pick_rows_by_destination_reason_or_all() {
    let site = with_parked().await;
    let by_reason = ["retry", "--parked-reason", TOO_LARGE];
    outbox(&site, &by_reason).await.with_code(0);
    assert_eq!(
        states(&site).await,
        ["waiting", "waiting", "parked", "waiting"]
    );
    let nobody = outbox(&site, &["retry", "--destination", "mail"]).await;
    assert_eq!(nobody.with_code(0).stderr, "nothing to do");
    let all = outbox(&site, &["retry", "--all"]).await.with_code(0);
    assert_eq!(all.stderr, "1 row can be sent again");
    assert_eq!(states(&site).await, ["waiting"; 4]);
}

#[tokio::test]
async fn a_discarded_row_halts_nobody_and_why_tells_who_did_it() {
    let site = with_parked().await;
    let discard = ["discard", "1", "--reason", "a test order", "--yes"];
    let discarded = outbox(&site, &discard).await.with_code(0);
    insta::assert_snapshot!(discarded.stderr, @r"
    1 parked row to billing: larger than SQS takes (1048576 bytes)
    1 row discarded
    ");
    let again = outbox(&site, &discard).await.with_code(0);
    assert!(
        again.stderr.contains("row 1 was discarded at "),
        "{}",
        again.stderr
    );
    assert!(again.stderr.ends_with("nothing to do"), "{}", again.stderr);

    let (relay, _probe) = site.start_ready(&["relay"]).await;
    site.queue.until_holds(1).await;
    end(relay).await;
    assert_eq!(
        states(&site).await,
        ["discarded", "sent", "parked", "waiting"]
    );
    let story = site.run(&["why", "e1"]).await.with_code(0).stdout;
    let story = normal(&story).replace(&host_of(&story), "[host]");
    insta::assert_snapshot!(story, @r"
    event e1 of /s, order.placed
    billing: never sent, discarded at [time] by ann@[host]: a test order

    TIME                  CONSUMER  WHAT       DETAIL
    [time]  billing   enqueued   outbox row 1, ordering key k
    [time]  billing   parked     larger than SQS takes (1048576 bytes)
    [time]  billing   discarded  by ann@[host]: a test order
    ");
}

#[tokio::test]
async fn rows_that_are_not_parked_are_named_and_the_others_done() {
    let site = with_parked().await;
    let retried = outbox(&site, &["retry", "1", "2", "99"]).await.with_code(3);
    insta::assert_snapshot!(retried.stderr, @r"
    row 2 is not parked: it waits to be sent
    row 99 is not there; rows are pruned 7 days after they were sent or discarded
    1 row can be sent again
    fleet: 2 rows not changed
    ");
    let refused = outbox(&site, &["discard", "1", "2", "--reason", "why", "--yes"]).await;
    let refused = refused.with_code(2);
    assert!(
        refused
            .stderr
            .contains("row 1 is not parked: it was made sendable")
    );
    assert_eq!(
        states(&site).await,
        ["waiting", "waiting", "parked", "waiting"]
    );
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_named_and_not_waited_for() {
    let site = with_parked().await;
    let store = PostgresStore::connect(site.books.url(), PostgresOptions::default());
    let held = store.expect("the address is legal").begin().await;
    let held = held.expect("the database answers");
    let hold = "select from fleet.outbox where id = 1 for update";
    held.query(hold, &[]).await.expect("nobody has it");
    let busy = outbox(&site, &["retry", "1"]).await.with_code(1);
    assert!(
        busy.stderr
            .contains("row 1 is held by a relay or another operator"),
        "{}",
        busy.stderr
    );
    let partly = outbox(&site, &["retry", "1", "3"]).await.with_code(3);
    assert!(
        partly.stderr.contains("1 row can be sent again"),
        "{}",
        partly.stderr
    );
    held.rollback().await;
    outbox(&site, &["retry", "1"]).await.with_code(0);
}

#[tokio::test]
async fn discarding_without_a_terminal_needs_yes() {
    let site = with_parked().await;
    let refused = outbox(&site, &["discard", "--all", "--reason", "why"]).await;
    let refused = refused.with_code(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(
        states(&site).await,
        ["parked", "waiting", "parked", "waiting"]
    );
    let arguments = [
        "discard",
        "--destination",
        "billing",
        "--reason",
        "why",
        "--yes",
    ];
    let done = outbox(&site, &arguments).await.with_code(0);
    assert!(done.stderr.ends_with("2 rows discarded"), "{}", done.stderr);
    assert_eq!(
        states(&site).await,
        ["discarded", "waiting", "discarded", "waiting"]
    );
}

#[tokio::test]
async fn at_a_terminal_discarding_is_typed() {
    let site = with_parked().await;
    let discard = ["outbox", "discard", "--all", "--reason", "why"];
    let asked = async || {
        let mut terminal: Terminal = site.start_in_terminal(&discard);
        terminal.shows("Type discard 2 to go on:").await;
        terminal
    };
    let mut terminal = asked().await;
    terminal.types("yes").await;
    terminal.presses(Key::Enter).await;
    let left = terminal.ended().await.with_code(2);
    assert!(left.screen.contains("nothing was done"), "{}", left.screen);
    let mut terminal = asked().await;
    terminal.presses(Key::CtrlC).await;
    terminal.ended().await.with_code(130);
    assert_eq!(
        states(&site).await,
        ["parked", "waiting", "parked", "waiting"]
    );
    let mut terminal = asked().await;
    terminal.types("discard 2").await;
    terminal.presses(Key::Enter).await;
    let left = terminal.ended().await.with_code(0);
    assert!(left.screen.contains("2 rows discarded"), "{}", left.screen);
    assert_eq!(
        states(&site).await,
        ["discarded", "waiting", "discarded", "waiting"]
    );
}

#[tokio::test]
async fn what_stands_in_a_row_does_not_steer_the_terminal() {
    let site = Site::new().await;
    fill(
        &site,
        r"(E'd\u001b[2J', E'e\u001b[2J', E'k\u202e', E'r\u001b[2J')",
    )
    .await;
    for arguments in [
        &["stats"][..],
        &["ls"],
        &["discard", "1", "--reason", "a\u{1b}[2J", "--yes"],
        &["discard", "1", "--reason", "a\u{1b}[2J", "--yes"],
    ] {
        let ended = outbox(&site, arguments).await.with_code(0);
        let said = ended.stdout + &ended.stderr;
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
    let list = site.run(&["why", "e\u{1b}[2J"]).await.with_code(0).stdout;
    assert!(
        list.contains(r"d\u{1b}[2J") && !list.contains('\u{1b}'),
        "{list:?}"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let site = Site::new().await;
    for arguments in [
        &[][..],
        &["retry"],
        &["retry", "x"],
        &["retry", "0"],
        &["retry", "1", "--all"],
        &["retry", "--all", "--destination", "billing"],
        &["discard", "1"],
        &["discard", "--reason", "why"],
        &["discard", "1", "--reason", " "],
        &["ls", "--parked", "--waiting"],
        &["ls", "--limit", "0"],
    ] {
        let ended = outbox(&site, arguments).await.with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    let unmigrated = Site::unmigrated().await;
    let refused = outbox(&unmigrated, &["ls"]).await.with_code(2);
    assert!(
        refused.stderr.contains("run `fleet migrate`"),
        "{}",
        refused.stderr
    );
    let mut down = Site::unmigrated().await;
    let _closed = down.gate_database().await;
    let failed = outbox(&down, &["stats"]).await.with_code(1);
    assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    let help = outbox(&site, &["discard", "--help"])
        .await
        .with_code(0)
        .stdout;
    assert!(
        help.contains("fleet outbox discard 41 --reason 'a test order'"),
        "{help}"
    );
}
