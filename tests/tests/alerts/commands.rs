//! The commands that alerts and pages name can be typed.

use std::collections::BTreeSet;
use std::fs;

use fleet_tests::process::Process;
use fleet_tests::site::fleet;

use crate::catalogue::alerts;
use crate::pages::pages;

/// What stands for whatever somebody would type there.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("{{ $labels.queue }}", "billing"),
    ("EVENT_ID", "placed/order-137"),
    ("FINGERPRINT", "8c2e0b2e702e"),
    ("CONSUMER", "billing"),
    (
        "QUEUE_URL",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/billing",
    ),
];

/// Returns the code that begins with the program's name, in lines of blocks and within prose.
fn commands(text: &str) -> impl Iterator<Item = String> {
    // A description is folded: its lines are one.
    let blocks = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ fleet "));
    let blocks = blocks.map(str::to_owned).collect::<Vec<_>>();
    let prose = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let spans = prose.split("`fleet ").skip(1);
    let spans = spans.filter_map(|rest| rest.split('`').next().map(str::to_owned));
    blocks.into_iter().chain(spans.collect::<Vec<_>>())
}

/// Splits a line as a shell does, as far as these need it.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.trim().chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().expect("there is one").push(c),
        }
    }
    words
}

#[tokio::test]
async fn every_command_that_an_alert_or_a_page_names_can_be_typed() {
    let mut lines = BTreeSet::new();
    for alert in alerts() {
        lines.extend(commands(&alert.text));
    }
    for page in pages() {
        let text = fs::read_to_string(page).expect("a page is text");
        lines.extend(commands(&text));
    }
    assert!(lines.len() > 30, "{lines:?}");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut complaints = Vec::new();
    for mut line in lines {
        for (name, example) in PLACEHOLDERS {
            line = line.replace(name, example);
        }
        let words = words(&line);
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        // In an empty environment each ends at its configuration, if it can be typed at all.
        let mut command = fleet(&arguments);
        command
            .current_dir(folder.path())
            .env_remove("FLEET_PG_BIN");
        let ended = Process::start(command).ended().await;
        let said = &ended.stderr;
        if said.starts_with("error: ") || said.contains("Usage:") {
            complaints.push(format!("`fleet {line}`: {said}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let left = fs::read_dir(folder.path()).expect("the folder is there");
    assert_eq!(left.count(), 0, "a command has written something");
}
