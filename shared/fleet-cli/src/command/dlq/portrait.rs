//! One dead letter, as a person reads about it.

use fleet::message::PastAttempt;
use jiff::Timestamp;

use super::record::Recorded;
use super::show::Shown;
use super::words::{shortened, until};
use crate::{json_text, output, shell};

/// How many characters of an attribute are shown; `--json` has all of them.
const VALUE_CHARS_MAX: usize = 200;

/// Describes a dead letter; `words` are the program and its dead-letter queue.
pub(super) fn portrait(shown: &Shown, words: [&str; 2], now: Timestamp) -> String {
    let mut text = facts(shown, now);
    if !shown.attributes.0.is_empty() {
        text += &format!("\n{}", attributes(&shown.attributes));
    }
    if !shown.history.is_empty() {
        text += &format!("\nwhat went wrong before:\n{}", history(&shown.history));
    }
    text += &format!("\n{}", body(&shown.body));
    text + &format!("\nwhat you can do:\n{}", commands(shown, words))
}

fn facts(shown: &Shown, now: Timestamp) -> String {
    let death = &shown.death;
    let time = |time: Timestamp| format!("{time:.3}");
    let mut rows = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        rows.extend(value.map(|value| vec![name.to_owned(), value]));
    };
    say("event", Some(death.key.id.clone()));
    say("source", Some(death.key.source.clone()));
    say("type", death.event_type.clone());
    say("why", Some(shown.why.clone()));
    say("detail", death.detail.clone());
    say("fingerprint", Some(death.fingerprint.to_string()));
    say("handler", death.consumer.clone());
    say("build", death.version.clone());
    say("queue", Some(death.queue.clone()));
    say("message", Some(death.id.clone()));
    say("attempts", death.attempts.map(|count| count.to_string()));
    say("receives", Some(death.receives.to_string()));
    say("first sent", Some(time(death.first_sent_at)));
    say("dead since", death.failed_at.map(time));
    let left = until(shown.expires_at, now);
    let expires = format!("{} (in {left})", time(shown.expires_at));
    say("expires", Some(expires));
    say("trace", death.trace_id.clone());
    say("trace header", shown.trace_header.clone());
    say("group", death.group_id.clone());
    let replays = match death.replay_no {
        0 => None,
        1 => Some("once".to_owned()),
        count => Some(format!("{count} times")),
    };
    say("replayed", replays);
    let edited = shown.edited_by.as_ref().zip(shown.edited_at);
    say(
        "edited",
        edited.map(|(by, at)| format!("by {by} at {}", time(at))),
    );
    let (all, body) = (death.size_bytes, shown.body.len());
    say(
        "size",
        Some(format!("{all} bytes, {body} of them the body")),
    );
    output::table(&["", ""], rows)
        .trim_start_matches('\n')
        .to_owned()
}

fn attributes(attributes: &Recorded) -> String {
    let rows = attributes.0.iter().map(|(name, value)| {
        vec![
            name.clone(),
            value.data_type.clone(),
            shortened(value.written(), VALUE_CHARS_MAX),
        ]
    });
    output::table(&["ATTRIBUTE", "TYPE", "VALUE"], rows.collect())
}

fn history(history: &[PastAttempt]) -> String {
    let rows = history.iter().map(|past| {
        vec![
            past.receive.to_string(),
            format!("{:.3}", past.at),
            past.outcome.clone(),
            past.reason.clone(),
        ]
    });
    output::table(&["RECEIVE", "AT", "OUTCOME", "REASON"], rows.collect())
}

/// Lays a body out that is JSON, and escapes any other.
fn body(body: &str) -> String {
    match json_text::pretty(body) {
        Some(json) => format!("body (JSON):\n{}\n", output::escape_json(&json)),
        None => format!("body (no JSON):\n{}", output::escape_lines(body)),
    }
}

fn commands(shown: &Shown, [program, queue]: [&str; 2]) -> String {
    let id = &*shown.death.key.id;
    let flag = match id.starts_with('-') {
        true => vec![format!("--id={id}")],
        false => vec!["--id".to_owned(), id.to_owned()],
    };
    let replay = ["dlq", "replay", queue].map(str::to_owned);
    let replay = [&replay[..], &flag].concat();
    let edit = ["dlq", "edit", queue, "--", id].map(str::to_owned);
    let why = ["why", "--", id].map(str::to_owned);
    let spare = |words: Vec<String>| match id.starts_with('-') {
        true => words,
        false => words.into_iter().filter(|word| word != "--").collect(),
    };
    [replay, spare(edit.to_vec()), spare(why.to_vec())]
        .map(|words| {
            let line = shell::line([vec![program.to_owned()], words].concat());
            format!("  {line}\n")
        })
        .concat()
}
