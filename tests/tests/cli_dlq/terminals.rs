//! What a person sees, and what never reaches the terminal.

use fleet::message::{AttributeValue, FailureClass, Outgoing};
use fleet_tests::mailbox::Counts;
use fleet_tests::terminal::{Key, Left, Terminal};

use crate::morgue::{Morgue, copy, failure, message, refused};

/// Characters that steer a terminal, or that nobody sees; those that a message can have.
const HOSTILE: &str = "\u{9b}2J\u{85}\u{7f}\u{202e}\u{2066}\u{2028}\u{200b}\u{e0041}";

/// Those that only JSON can carry.
const ESCAPE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{8}";

/// A dead letter that means no good wherever it can.
fn hostile() -> Outgoing {
    let mut message = message(format!("not JSON {HOSTILE}\tx\r\ny"));
    message.attributes.set("a", AttributeValue::string(HOSTILE));
    message.trace_header = Some(format!("Root={HOSTILE}"));
    let evil = format!("{ESCAPE}{HOSTILE}");
    let mut failure = failure(&format!("id{evil}"), FailureClass::Permanent, &evil);
    failure.detail = Some(evil.clone());
    failure.consumer = evil.clone();
    failure.queue = evil.clone();
    failure.version = Some(evil.clone());
    failure.event_type = Some(evil.clone());
    failure.key.source = evil;
    copy(&message, &failure)
}

/// A dead letter whose JSON carries what a body cannot.
fn hostile_json() -> Outgoing {
    let body = format!(r#"{{"a{HOSTILE}":"{HOSTILE}\u001b","b":1}}"#);
    copy(
        &message(body),
        &failure("json", FailureClass::Permanent, "x"),
    )
}

/// Checks that a program has sent the terminal nothing but its own escape sequences.
fn assert_harmless(left: &Left, what: &str) {
    let steers = |c: char| HOSTILE.contains(c) && !c.is_ascii_alphanumeric() && c != '2';
    assert!(!left.raw.contains(steers), "{what}: {:?}", left.raw);
    for sequence in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{8}"] {
        assert!(!left.raw.contains(sequence), "{what}: {:?}", left.raw);
    }
}

async fn left(terminal: Terminal, code: i32) -> Left {
    terminal.ended().await.with_code(code)
}

#[tokio::test]
async fn no_text_of_a_message_steers_the_terminal() {
    let morgue = Morgue::with(&[hostile(), hostile_json()]).await;
    let rows = morgue
        .site
        .run(&["dlq", "ls", "billing", "--json"])
        .await
        .json();
    let of_json = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"]["id"] != "json");
    let id = of_json.unwrap()["id"].as_str().unwrap().to_owned();
    for command in [
        &["stats", "billing"][..],
        &["stats", "billing", "--json"],
        &["ls", "billing"],
        &["ls", "billing", "--wide"],
        &["ls", "billing", "--json"],
        &["ls", "billing", "--id", "x\u{9b}2J"],
        &["group", "billing"],
        &["group", "billing", "--json"],
        &["group", "billing", "--by", "type"],
        &["group", "billing", "--by", "handler"],
        &["group", "billing", "--by", "version"],
        &["show", "billing", &id],
        &["show", "billing", &id, "--raw"],
        &["show", "billing", &id, "--json"],
        &["show", "billing", "json"],
        &["show", "billing", "json", "--raw"],
        &["export", "billing"],
    ] {
        let terminal = morgue.site.start_in_terminal(&[&["dlq"], command].concat());
        let left = left(terminal, 0).await;
        assert_harmless(&left, &command.join(" "));
    }
}

#[tokio::test]
async fn ctrl_c_gives_everything_back_and_shows_what_was_seen() {
    let dead: Vec<_> = (0..60).map(|id| refused(&id.to_string())).collect();
    let morgue = Morgue::with(&dead).await;
    // One of the receives gets no answer, so that the look cannot end by itself for some seconds.
    let faults = "hang ops=ReceiveMessage count=1";
    morgue.site.sqs().set_faults(faults.parse().unwrap());
    let mut terminal = morgue.site.start_in_terminal(&["dlq", "stats", "billing"]);
    terminal.shows("60 looked at").await;
    terminal.presses(Key::CtrlC).await;
    let left = left(terminal, 130).await;
    assert!(left.screen.contains("interrupted"), "{}", left.screen);
    assert!(
        left.screen.contains("order.placed        60"),
        "{}",
        left.screen
    );
    let counts = morgue.dead.counts().await;
    assert_eq!(
        counts,
        Counts {
            visible: 60,
            ..Counts::NONE
        }
    );
}
