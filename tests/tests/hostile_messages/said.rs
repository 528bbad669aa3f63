use std::collections::BTreeSet;

use fleet_tests::plain::hidden_in;
use fleet_tests::probe::Probe;
use fleet_tests::process::Ended;
use serde_json::Value;

use super::case::{CANARY, Case, End};
use super::stage::Stage;

/// Commands that look at dead letters without showing a body.
const LOOKS: [&[&str]; 5] = [
    &["dlq", "ls", "billing", "--wide"],
    &["dlq", "ls", "billing", "--json"],
    &["dlq", "group", "billing"],
    &["dlq", "group", "billing", "--by", "type"],
    &["dlq", "replay", "billing", "--dry-run"],
];

/// Those dead letters of which a terminal, or who reads there, has most to fear.
const SHOWN: [&str; 4] = [
    "a raw line feed",
    "utf-16",
    "ten attributes of a megabyte",
    "forged: with controls, of no JSON",
];

/// Tables in which a reason may stand.
const TABLES: [&str; 3] = ["dead_letters", "attempts", "inbox"];

/// How much around a canary a report shows.
const AROUND: usize = 200;

/// Returns what a process measures.
pub(crate) async fn metrics(probe: &Probe) -> String {
    let answer = probe.get("/metrics").await.expect("it answers");
    assert_eq!(answer.status, 200);
    answer.body
}

/// Returns the names and labels of all that a process measures.
pub(crate) async fn series(probe: &Probe) -> BTreeSet<String> {
    let metrics = metrics(probe).await;
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let series = samples.filter_map(|line| line.rsplit_once(' '));
    series.map(|(series, _value)| series.to_owned()).collect()
}

/// Checks that a text has nothing of what no message may bring to it.
#[track_caller]
pub(crate) fn assert_silent(what: &str, text: &str) {
    if let Some(at) = text.find(CANARY) {
        let from = text.floor_char_boundary(at.saturating_sub(AROUND));
        let to = text.ceil_char_boundary((at + AROUND).min(text.len()));
        panic!("{what}: …{}…", &text[from..to]);
    }
    assert_plain(what, text);
}

/// Checks that a text is lines without a character that steers what shows them.
#[track_caller]
fn assert_plain(what: &str, text: &str) {
    for line in text.lines() {
        assert_eq!(hidden_in(line), None, "{what}: {line:?}");
    }
}

/// Checks that a process has written lines of its log, and nothing else.
#[track_caller]
pub(crate) fn assert_log(ended: &Ended) {
    assert_eq!(ended.stdout, "");
    assert_silent("log", &ended.stderr);
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["target"].is_string(), "{line}");
        assert!(line.get("forged").is_none(), "{line}");
        assert_ne!(line["message.id"], "forged", "{line}");
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// Checks that what is written down of the messages repeats nothing of them.
pub(crate) async fn assert_tables(stage: &Stage) {
    for table in TABLES {
        let rows = stage
            .site
            .books
            .rows(&format!("select * from fleet.{table}"))
            .await;
        assert!(!rows.is_empty(), "{table} was looked at");
        let text = Value::from(rows).to_string();
        assert!(!text.contains(CANARY), "{table}: {text}");
    }
}

/// Checks that commands show all of the dead letters, and none of their tricks.
pub(crate) async fn assert_commands(stage: &Stage) {
    assert_tables(stage).await;
    for command in LOOKS {
        let ended = stage.site.run(command).await.with_code(0);
        for text in [&ended.stdout, &ended.stderr] {
            assert_silent(&command.join(" "), text);
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    let dead: Vec<_> = stage
        .ending(|end| matches!(end, End::Dead { .. }))
        .collect();
    assert_shown(stage, &dead).await;
    assert_exported(stage, &dead).await;
}

/// Checks that bodies and attributes are shown without their tricks.
async fn assert_shown(stage: &Stage, dead: &[(&str, &Case)]) {
    for name in SHOWN {
        let dead = dead.iter().find(|(_, case)| case.name == name);
        let (id, _) = dead.expect("it is dead");
        let query = format!("select copy_id from fleet.dead_letters where message_id = '{id}'");
        let rows = stage.site.books.rows(&query).await;
        let copy = rows[0]["copy_id"].as_str().expect("it is text");
        let show = ["dlq", "show", "billing", copy];
        let ended = stage.site.run(&show).await.with_code(0);
        assert_plain(name, &ended.stdout);
        assert_plain(name, &ended.stderr);
    }
}

/// Checks that an export is lines of JSON with every body in it.
async fn assert_exported(stage: &Stage, dead: &[(&str, &Case)]) {
    let ended = stage
        .site
        .run(&["dlq", "export", "billing"])
        .await
        .with_code(0);
    let line = |line: &str| -> Value {
        assert!(!line.contains(char::is_control), "{line:?}");
        serde_json::from_str(line).expect("each line is JSON")
    };
    let mut exported: Vec<_> = ended.stdout.lines().map(line).collect();
    let body = |line: &Value| line["body"].as_str().expect("it has a body").to_owned();
    exported.sort_by_cached_key(body);
    let mut bodies: Vec<_> = dead.iter().map(|(_, case)| &case.message.body).collect();
    bodies.sort();
    let same = exported
        .iter()
        .map(body)
        .eq(bodies.iter().map(|body| (*body).clone()));
    assert!(
        same,
        "{} of {} are exported as they were",
        exported.len(),
        dead.len()
    );
}
