//! `dlq edit`, with the real program: a dead letter that is mended by hand and then done.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fleet::message::{FAILURE_ATTRIBUTE, Failure};
use fleet_tests::books::{order, placed};
use fleet_tests::graves::{bury, bury_order, failure, rows};
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::until;
use fleet_tests::process::{Ended, Process};
use fleet_tests::site::Site;
use fleet_tests::terminal::{Key, Terminal};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use sqs_local::{MessageAttributeValue, MessageAttributes, ReceiveMessage, ReceivedMessage};
use tempfile::TempDir;
use tokio::process::Command;

const CUSTOMER: &str = r#"customer_id="17850""#;

/// An order that nobody can bill, spelled as no program of ours would.
fn spelled(id: &str) -> String {
    format!(
        "{{\"specversion\":\"1.0\", \"id\":\"{id}\",\"source\":\"/fleet/orders\",\n \
         \"type\":\"order.placed\",\"note\":1.10,\"data\" : {{ \"order_id\":\"{id}\", \
         \"customer_id\":null ,\"weight\":7.50e2,\"currency\":\"GBP\", \
         \"placed_at\":\"2010-12-01T08:26:00Z\",\"country\":\"\\u00e9\",\"cancelled\":false,\
         \"lines\":[{{\"sku\":\"85123A\",\"description\":\"HOLDER\",\"quantity\":2,\
         \"unit_price_minor\":100}}]}} }}"
    )
}

async fn edit(site: &Site, id: &str, more: &[&str]) -> Ended {
    site.run(&[&["dlq", "edit", "billing", id], more].concat())
        .await
}

async fn refused(site: &Site, id: &str, more: &[&str], why: &str) {
    let ended = edit(site, id, more).await.with_code(2);
    assert!(ended.stderr.contains(why), "{more:?}: {}", ended.stderr);
}

/// Buries an order that lacks its customer.
async fn bury_spelled(site: &Site, id: &str) -> String {
    let failure = failure("order.placed", id, "no customer");
    bury(site, &spelled(id), &failure).await
}

async fn mark_done(site: &Site, id: &str) {
    let done = format!(
        "insert into fleet.inbox (consumer, source, id) values ('billing', '/fleet/orders', '{id}')"
    );
    site.books.run(&done).await;
}

/// Looks at the only message of billing's queue, and leaves it to whoever comes next.
async fn sent(site: &Site) -> ReceivedMessage {
    let look = ReceiveMessage {
        queue_url: site.queue.url().to_owned(),
        max_number_of_messages: Some(10),
        visibility_timeout: Some(0),
        message_attribute_names: vec!["All".to_owned()],
        ..ReceiveMessage::default()
    };
    let seen = site.sqs().call(look).await.expect("the queue is there");
    let mut messages = seen.messages;
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

fn attribute<'a>(message: &'a ReceivedMessage, name: &str) -> Option<&'a str> {
    let value = message.message_attributes.get(name)?;
    value.string_value.as_deref()
}

fn failure_of(message: &ReceivedMessage) -> Failure {
    let json = attribute(message, FAILURE_ATTRIBUTE).expect("it carries its failure");
    serde_json::from_str(json).expect("it is one")
}

async fn drain(site: &Site) {
    site.run(&["run", "--drain", "--timeout", "30s"])
        .await
        .with_code(0);
}

#[tokio::test]
async fn a_value_is_set_without_another_byte_and_the_event_is_then_done_once() {
    let site = Site::new().await.with("USER", "ann");
    bury_spelled(&site, "7").await;
    let before = rows(&site.books).await;
    let shown = edit(&site, "7", &["--set", CUSTOMER, "--dry-run"]).await;
    let shown = shown.with_code(0);
    insta::assert_snapshot!(shown.stdout, @r#"
        "note": 1.10,
        "data": {
          "order_id": "7",
    -     "customer_id": null,
    +     "customer_id": "17850",
          "weight": 7.50e2,
          "currency": "GBP",
          "placed_at": "2010-12-01T08:26:00Z",
    "#);
    insta::assert_snapshot!(shown.stderr, @"event 7 of /fleet/orders goes to billing in place of its dead letter");
    assert_eq!(rows(&site.books).await, before);
    assert_eq!(site.dead_letters.counts().await.visible, 1);

    let ended = edit(&site, "7", &["--set", CUSTOMER, "--yes"])
        .await
        .with_code(0);
    assert!(
        ended.stderr.contains("sent event 7 to billing"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    let message = sent(&site).await;
    let expected = spelled("7").replace("\"customer_id\":null", "\"customer_id\":\"17850\"");
    assert_eq!(*message.body, *expected);
    let failure = failure_of(&message);
    assert_eq!((failure.replay_no, &*failure.reason), (1, "no customer"));
    let edited = failure.edited.expect("somebody did");
    assert!(edited.by.starts_with("ann@"), "{}", edited.by);

    let journal = "select r.kind, r.state, r.consumer, e.state as entry, e.edited
        from fleet.replays r join fleet.replay_entries e on e.replay_id = r.id";
    let expected = json!({
        "kind": "edit", "state": "done", "consumer": "billing", "entry": "deleted", "edited": true,
    });
    assert_eq!(site.books.rows(journal).await, [expected]);
    drain(&site).await;
    assert_eq!(site.books.count("billing.invoices").await, 1);
}

#[tokio::test]
async fn an_edit_is_gone_on_with_by_itself_and_not_as_a_replay() {
    let site = Site::new().await;
    bury_spelled(&site, "7").await;
    edit(&site, "7", &["--set", CUSTOMER, "--yes"])
        .await
        .with_code(0);
    let resume = ["dlq", "replay", "billing", "--yes", "--resume", "1"];
    let ended = site.run(&resume).await.with_code(2);
    insta::assert_snapshot!(ended.stderr, @"fleet: replay 1 is an edit of one dead letter; to go on with it, type its `dlq edit` again");
}

#[tokio::test]
async fn the_whole_body_may_come_from_a_file_or_from_stdin() {
    let site = Site::new().await;
    let folder = TempDir::new().expect("there is room");
    let file = folder.path().join("body.json");
    bury(
        &site,
        "{\"specversion\":",
        &failure("order.placed", "7", "body is not JSON"),
    )
    .await;
    let body = placed(&order("7", 1));
    std::fs::write(&file, &body).expect("there is room");
    let file = file.to_str().expect("it is text");
    edit(&site, "7", &["--body", file, "--yes"])
        .await
        .with_code(0);
    assert_eq!(*sent(&site).await.body, *body);

    bury_order(&site, &order("8", 0), "zero quantity").await;
    let body = placed(&order("8", 2));
    let edit = ["dlq", "edit", "billing", "8", "--body", "-"];
    let unasked = site
        .run_with_input(&edit, body.as_bytes())
        .await
        .with_code(2);
    assert!(unasked.stderr.contains("say --yes"), "{}", unasked.stderr);
    let edit = [&edit[..], &["--yes"]].concat();
    site.run_with_input(&edit, body.as_bytes())
        .await
        .with_code(0);
    drain(&site).await;
    assert_eq!(site.books.count("billing.invoices").await, 2);
}

#[tokio::test]
async fn an_edit_that_breaks_the_event_or_its_schema_is_refused() {
    let site = Site::new().await;
    let id = bury_spelled(&site, "7").await;
    let before = rows(&site.books).await;
    for (change, why) in [
        (
            "customer_id=17850",
            "does not fit the schema at `customer_id`",
        ),
        ("lines[3].sku=x", "lines[3].sku: lines has 1 elements"),
        ("lines.sku=x", "lines.sku: lines is no object"),
        ("/a/b=1", "/a/b: there is no /a"),
        ("customer_id=null", "that changes nothing"),
        ("=1", "is no place in JSON"),
        ("customer_id", "say PATH=VALUE"),
    ] {
        refused(&site, "7", &["--set", change, "--yes"], why).await;
    }
    let locked = [
        (
            "\"id\":\"7\"",
            "\"id\":\"8\\u001b[2J\"",
            "the event's id is locked: it was 7, and would be 8\\u{1b}[2J",
        ),
        (
            "/fleet/orders",
            "/fleet/others",
            "the event's source is locked",
        ),
        (
            "order.placed",
            "order.lost",
            "billing has no handler for order.lost",
        ),
        ("1.0", "2.0", "it would be no event"),
        ("\"data\"", "", "it would be no event"),
    ];
    for (from, to, why) in locked {
        let body = spelled("7").replacen(from, to, 1);
        let edit = ["dlq", "edit", "billing", &id, "--body", "-", "--yes"];
        let ended = site
            .run_with_input(&edit, body.as_bytes())
            .await
            .with_code(2);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    refused(&site, "7", &["--set", CUSTOMER], "no terminal to ask at").await;
    refused(
        &site,
        "7",
        &["--set", "a=1", "--body", "x"],
        "cannot be used with",
    )
    .await;
    refused(&site, "7", &[], "neither VISUAL nor EDITOR").await;
    edit(&site, "7", &["--body", "/nowhere"]).await.with_code(1);
    let gone = edit(&site, "8", &["--set", CUSTOMER]).await.with_code(1);
    assert!(gone.stderr.contains("8 is not there"), "{}", gone.stderr);
    assert_eq!(rows(&site.books).await, before);
    assert_eq!(site.dead_letters.counts().await.visible, 1);
    assert_eq!(site.queue.counts().await, Counts::NONE);
}

#[tokio::test]
async fn what_is_done_already_is_refused_unless_a_new_event_is_made_of_it() {
    let site = Site::new().await;
    bury_spelled(&site, "7").await;
    mark_done(&site, "7").await;
    let change = ["--set", CUSTOMER, "--yes"];
    refused(&site, "7", &change, "billing has done event 7 already").await;
    let renew = [&change[..], &["--as-new"]].concat();
    edit(&site, "7", &renew).await.with_code(0);
    let message = sent(&site).await;
    let body: Value = serde_json::from_str(&message.body).expect("it is JSON");
    let new = body["id"].as_str().expect("it is text").to_owned();
    assert_eq!(body["causationid"], "7");
    assert_eq!(body["data"]["customer_id"], "17850");
    assert_eq!(failure_of(&message).key.id, new);
    // The same once more is the same new event.
    bury_spelled(&site, "7").await;
    mark_done(&site, &new).await;
    refused(&site, "7", &renew, "this very edit was made before").await;
}

#[tokio::test]
async fn bare_json_is_edited_as_a_whole_and_renewed_by_its_attributes() {
    let site = Site::new().await;
    let mut attributes = MessageAttributes::new();
    attributes.insert(
        "type".to_owned(),
        MessageAttributeValue::string("order.placed"),
    );
    attributes.insert("id".to_owned(), MessageAttributeValue::string("7"));
    let body = order("7", 0).to_string();
    // As SQS moves it: without a failure.
    site.dead_letters.send(&body, attributes.clone()).await;
    let change = ["--set", "lines[0].quantity=2", "--yes"];
    edit(&site, "7", &change).await.with_code(0);
    let message = sent(&site).await;
    assert_eq!(
        *message.body,
        *body.replace("\"quantity\":0", "\"quantity\":2")
    );
    assert_eq!(attribute(&message, "type"), Some("order.placed"));
    assert_eq!(failure_of(&message).key.id, "7");

    let site = Site::new().await;
    site.dead_letters.send(&body, attributes).await;
    mark_done(&site, "7").await;
    site.books
        .run("update fleet.inbox set source = 'billing'")
        .await;
    refused(&site, "7", &change, "billing has done event 7 already").await;
    edit(&site, "7", &[&change[..], &["--as-new"]].concat())
        .await
        .with_code(0);
    let message = sent(&site).await;
    assert_eq!(attribute(&message, "causationid"), Some("7"));
    let new = attribute(&message, "id").expect("it has one");
    assert_eq!(failure_of(&message).key.id, new);
}

#[tokio::test]
async fn data_inside_another_envelope_is_left_to_a_whole_body() {
    let site = Site::new().await;
    let sns = json!({
        "Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:eu:0:t",
        "Message": order("7", 0).to_string(),
        "MessageAttributes": { "type": { "Type": "String", "Value": "order.placed" } },
    });
    site.dead_letters
        .send(&sns.to_string(), MessageAttributes::new())
        .await;
    let why = "stands as a string inside another envelope such as SNS's";
    refused(&site, "n", &["--set", "lines[0].quantity=2", "--yes"], why).await;
    let mut mended = sns;
    mended["Message"] = order("7", 2).to_string().into();
    let body = ["dlq", "edit", "billing", "n", "--body", "-", "--yes"];
    let mended = mended.to_string();
    let renew = [&body[..], &["--as-new"]].concat();
    let renewed = site.run_with_input(&renew, mended.as_bytes());
    let renewed = renewed.await.with_code(2);
    assert!(
        renewed.stderr.contains("only a CloudEvent or bare JSON"),
        "{}",
        renewed.stderr
    );
    site.run_with_input(&body, mended.as_bytes())
        .await
        .with_code(0);
    assert_eq!(*sent(&site).await.body, *mended);
}

#[tokio::test]
async fn copies_are_settled_as_one_and_others_of_the_same_id_have_to_be_told_apart() {
    let site = Site::new().await;
    for _ in 0..2 {
        bury_spelled(&site, "7").await;
    }
    let ended = edit(&site, "7", &["--set", CUSTOMER, "--yes"])
        .await
        .with_code(0);
    assert!(
        ended.stderr.contains("in place of its 2 copies"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    sent(&site).await;

    bury_spelled(&site, "8").await;
    let other = bury_order(&site, &order("8", 0), "zero quantity").await;
    let change = ["--set", "lines[0].quantity=3", "--yes"];
    let ambiguous = edit(&site, "8", &change).await.with_code(2);
    assert!(
        ambiguous.stderr.contains("8 is the id of 2 messages"),
        "{}",
        ambiguous.stderr
    );
    assert!(ambiguous.stderr.contains(&other), "{}", ambiguous.stderr);
    edit(&site, &other, &change).await.with_code(0);
    assert_eq!(site.dead_letters.counts().await.total(), 1);
}

/// A script that stands in for an editor.
fn editor(folder: &Path, script: &str) -> String {
    let path = folder.join("editor.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("there is room");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, executable).expect("it is ours");
    path.to_str().expect("it is text").to_owned()
}

fn at_terminal(site: &Site, folder: &Path, script: &str) -> Terminal {
    let mut command = site.command(&["dlq", "edit", "billing", "7"]);
    command
        .env("EDITOR", format!("{} --wait", editor(folder, script)))
        .env("TMPDIR", folder);
    Terminal::start(command)
}

#[tokio::test]
async fn an_editor_shows_the_data_laid_out_and_what_it_leaves_is_sent_after_a_question() {
    let site = Site::new().await;
    let folder = TempDir::new().expect("there is room");
    bury_spelled(&site, "7").await;
    let script = r#"test "$1" = --wait || exit 9; stat -c %a "$2" > "$TMPDIR/mode"
        cp "$2" "$TMPDIR/seen"; sed -i 's/null/"17850"/' "$2""#;
    let mut terminal = at_terminal(&site, folder.path(), script);
    terminal.shows("Send it? [y/N]").await;
    terminal.shows(r#"+     "customer_id": "17850","#).await;
    terminal.types("n").await;
    terminal.presses(Key::Enter).await;
    terminal.ended().await.with_code(2);
    assert_eq!(site.dead_letters.counts().await.visible, 1);

    let mut terminal = at_terminal(&site, folder.path(), script);
    terminal.shows("Send it? [y/N]").await;
    terminal.types("y").await;
    terminal.presses(Key::Enter).await;
    let left = terminal.ended().await.with_code(0);
    assert!(left.raw.contains("\u{1b}[32m+ "), "{}", left.raw);
    let read = |name| std::fs::read_to_string(folder.path().join(name)).expect("it was written");
    assert_eq!(read("mode"), "600\n");
    assert!(
        read("seen").contains("\n  \"weight\": 7.50e2,\n"),
        "{}",
        read("seen")
    );
    let message = sent(&site).await;
    assert!(
        message
            .body
            .contains(r#""customer_id":"17850","weight":7.50e2"#),
        "{}",
        message.body
    );
    let files = std::fs::read_dir(folder.path()).expect("it is there");
    let names: Vec<_> = files
        .map(|file| file.expect("it is there").file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    drain(&site).await;
}

#[tokio::test]
async fn an_editor_may_leave_everything_fail_or_be_asked_again() {
    let site = Site::new().await;
    let folder = TempDir::new().expect("there is room");
    bury_spelled(&site, "7").await;
    let left = at_terminal(&site, folder.path(), "touch \"$2\"")
        .ended()
        .await
        .with_code(0);
    assert!(
        left.screen.contains("nothing was changed"),
        "{}",
        left.screen
    );
    let left = at_terminal(&site, folder.path(), "exit 3")
        .ended()
        .await
        .with_code(1);
    assert!(
        left.screen.contains("the editor ended with exit status: 3"),
        "{}",
        left.screen
    );

    let script = r#"if grep -q 'null' "$2"; then sed -i 's/null/oops\x1b[2J/' "$2"
        else sed -i 's/oops.*/"17850",/' "$2"; fi"#;
    let mut terminal = at_terminal(&site, folder.path(), script);
    terminal.shows("Edit it again? [y/N]").await;
    terminal
        .shows("it would be no event: body is not JSON")
        .await;
    terminal.types("y").await;
    terminal.presses(Key::Enter).await;
    terminal.shows("Send it? [y/N]").await;
    terminal.presses(Key::CtrlC).await;
    let left = terminal.ended().await.with_code(130);
    assert!(!left.raw.contains("\u{1b}[2J"), "{}", left.raw);
    assert_eq!(site.dead_letters.counts().await.visible, 1);

    // Without a terminal there is nobody to edit.
    let mut command = site.command(&["dlq", "edit", "billing", "7"]);
    command.env("EDITOR", "true");
    let ended = Process::start(command).ended().await.with_code(2);
    assert!(
        ended.stderr.contains("no terminal for an editor"),
        "{}",
        ended.stderr
    );
    let plain = fleet_tests::site::fleet(&["dlq", "edit", "billing", "7"]);
    let left = Terminal::start(plain).ended().await.with_code(2);
    assert!(left.screen.contains("--set PATH=VALUE"), "{}", left.screen);
}

#[tokio::test]
async fn an_edit_that_is_killed_anywhere_is_run_again_and_nothing_is_lost_or_doubled() {
    let stories = [
        ("received", false, 0),
        ("planned", true, 0),
        ("sent", false, 0),
        ("sent", true, 0),
        ("marked", false, 3),
        ("deleted", true, 1),
    ];
    // Most of it is waiting for leases; more at once, and logins to the database take too long.
    stream::iter(stories)
        .for_each_concurrent(2, |(place, renews, code)| {
            kill_and_repeat(place, renews, code)
        })
        .await;
}

/// Kills an edit at a place, and runs it again, which ends with this code.
async fn kill_and_repeat(place: &str, renews: bool, code: i32) {
    let site = Site::new().await;
    bury_spelled(&site, "7").await;
    let mut edit = vec!["dlq", "edit", "billing", "7", "--set", CUSTOMER, "--yes"];
    edit.extend(["--lease", "5s"]);
    edit.extend(renews.then_some("--as-new"));
    let mut mortal = Command::new(env!("CARGO_BIN_EXE_mortal"));
    mortal.args(&edit).env_clear().envs(&site.env);
    mortal.env("FLEET_FAILPOINT", format!("replay.{place}=abort"));
    let killed = Process::start(mortal).ended().await;
    assert!(killed.killed_by().is_some(), "{place}: {}", killed.stderr);
    // It comes back when the lease of the killed one is over, unless it is deleted.
    until("nothing is hidden", || async {
        (site.dead_letters.counts().await.in_flight == 0).then_some(())
    })
    .await;
    let left = site.dead_letters.counts().await.visible;
    assert_eq!(left, u64::from(place != "deleted"), "{place}");
    site.run(&edit).await.with_code(code);
    drain(&site).await;
    assert_eq!(site.books.count("billing.invoices").await, 1, "{place}");
    let done = site.books.rows("select id from fleet.inbox").await;
    let is_new = done[0]["id"] != json!("7");
    assert_eq!((done.len(), is_new), (1, renews), "{place}");
    assert_eq!(site.dead_letters.counts().await, Counts::NONE, "{place}");
}

#[tokio::test]
async fn what_an_edit_cannot_do_without_is_named() {
    let change = ["--set", CUSTOMER, "--yes"];
    let site = Site::new().await.with("DATABASE_URL", "");
    refused(&site, "7", &change, "DATABASE_URL").await;
    refused(
        &Site::unmigrated().await,
        "7",
        &change,
        "run `fleet migrate`",
    )
    .await;
    let site = site.with("DATABASE_URL", "postgres://nobody:none@127.0.0.1:1/none");
    let ended = edit(&site, "7", &change).await.with_code(1);
    assert!(
        ended.stderr.contains("the database cannot be asked"),
        "{}",
        ended.stderr
    );
    let site = Site::new().await;
    let mut strange = failure("order.placed", "7", "no customer");
    strange.consumer = "somebody".to_owned();
    bury(&site, &spelled("7"), &strange).await;
    refused(
        &site,
        "7",
        &change,
        "no consumer of this program gave up on",
    )
    .await;
    let mut old = failure("order.placed", "8", "no customer");
    old.first_sent_at = jiff::Timestamp::UNIX_EPOCH;
    bury(&site, &spelled("8"), &old).await;
    refused(&site, "8", &change, "longer ago than the inbox remembers").await;
}
