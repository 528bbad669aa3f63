//! Nobody reads what a program writes: that ends no work, and no command with a panic.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, pipe};
use std::process::Stdio;

use fleet_tests::books::order;
use fleet_tests::graves::bury_order;
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::until;
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::{Value, json};
use tokio::process::Command;

const INVOICES: &str = "billing.invoices";

/// Messages of a test in which the output does not matter.
const FEW: u64 = 5;

/// Messages whose lines are more than a pipe (64 KiB) and the log's two buffers (1 MiB each) hold.
const MANY: u64 = 1_000;

/// How long the source and the id of an event are about: both stand in its line.
const WORD_BYTES: usize = 1_000;

/// Commands that write data, those that look at dead letters among them.
const WRITING: [&[&str]; 24] = [
    &["--help"],
    &["--version"],
    &["dlq", "replay", "--help"],
    &["completions", "bash"],
    &["man"],
    &["config"],
    &["migrate", "--plan"],
    &["doctor"],
    &["doctor", "--json"],
    &["queues"],
    &["queues", "--json"],
    &["top", "--once"],
    &["top", "--json"],
    &["why", "1"],
    &["why", "1", "--json"],
    &["outbox", "stats"],
    &["outbox", "ls"],
    &["dlq", "stats", "billing"],
    &["dlq", "ls", "billing"],
    &["dlq", "ls", "billing", "--json"],
    &["dlq", "group", "billing"],
    &["dlq", "show", "billing", "1"],
    &["dlq", "export", "billing"],
    &["dlq", "replay", "billing", "--dry-run"],
];

/// Sends orders whose lines in the log are long.
async fn send_orders(site: &Site, count: u64) {
    let word = "/x".repeat(WORD_BYTES / 2);
    for id in 0..count {
        let id = id.to_string();
        let event = json!({
            "specversion": "1.0", "id": format!("{id}{word}"), "source": word, "type": "order.placed",
            "data": order(&id, 1),
        });
        site.queue
            .send(&event.to_string(), Default::default())
            .await;
    }
}

/// Waits until all is done, and ends the program, which has to end well.
async fn assert_works(site: &Site, process: Process, count: u64) {
    site.books.until_count(INVOICES, count).await;
    site.queue.until_holds(0).await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
}

/// Has a shell start `fleet run` with some of its streams closed, or leading elsewhere.
fn redirected(site: &Site, redirection: &str) -> Process {
    let run = site.command(&["run"]);
    let mut shell = Command::new("sh");
    let script = format!("exec \"$0\" run {redirection}");
    shell.arg("-c").arg(script).arg(run.as_std().get_program());
    shell.env_clear().envs(&site.env);
    Process::start(shell)
}

#[tokio::test]
async fn a_worker_whose_streams_are_closed_or_full_goes_on() {
    let redirections = [
        ">&-",
        "2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        ">/dev/full 2>/dev/full",
    ];
    for redirection in redirections {
        let site = Site::new().await;
        send_orders(&site, FEW).await;
        assert_works(&site, redirected(&site, redirection), FEW).await;
    }
}

#[tokio::test]
async fn a_worker_whose_reader_ends_goes_on() {
    let site = Site::new().await;
    let (reader, writer) = pipe().expect("there are pipes");
    let stdout = writer.try_clone().expect("there are descriptors");
    let process = Process::start_unheard(site.command(&["run"]), stdout.into(), writer.into());
    Probe::of_silent(&process).await.until_ready().await;
    drop(reader);
    send_orders(&site, FEW).await;
    assert_works(&site, process, FEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_reader_sleeps_goes_on_and_says_how_many_lines_are_lost() {
    let site = Site::new().await;
    let (mut reader, writer) = pipe().expect("there are pipes");
    let command = site.command(&["run"]);
    let process = Process::start_unheard(command, Stdio::null(), writer.into());
    let probe = Probe::of_silent(&process).await;
    send_orders(&site, MANY).await;
    site.books.until_count(INVOICES, MANY).await;
    until("lines are lost", || async {
        let page = probe.get("/metrics").await?.body;
        let metric = page
            .lines()
            .find_map(|line| line.strip_prefix("fleet_log_lines_lost_total "))?;
        (metric != "0").then_some(())
    })
    .await;
    // Now somebody reads, until the process has ended.
    let reading = tokio::task::spawn_blocking(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    assert_works(&site, process, MANY).await;
    let log = reading.await.expect("reading does not panic");
    let log = log.expect("a log is text");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is whole"))
        .collect();
    let lost: u64 = lines
        .iter()
        .filter_map(|line| line.get("lines")?.as_u64())
        .sum();
    let told = lines.iter().filter(|line| line.get("settlement").is_some());
    let told = told.count() as u64;
    assert!(lost > 0 && lost + told >= MANY, "{lost} lost, {told} told");
}

/// A site where every command has something to write.
async fn with_dead_letters() -> Site {
    let site = Site::new().await;
    for id in 1..=3 {
        bury_order(&site, &order(&id.to_string(), 1), "no customer").await;
    }
    site
}

/// Runs a command for a reader that is gone already.
async fn assert_minds_no_reader(site: &Site, command: &[&str]) {
    let read = site.run(command).await;
    let (reader, writer) = pipe().expect("there are pipes");
    drop(reader);
    let process = Process::start_with_output(site.command(command), writer.into());
    let ended = process.ended().await;
    assert_eq!(ended.code(), read.code(), "{command:?}: {}", ended.stderr);
    for word in ["panicked", "Broken pipe", "os error"] {
        let is_said = ended.stderr.contains(word);
        assert!(!is_said, "{command:?}: {}", ended.stderr);
    }
}

/// Runs a command whose data goes to a disk that is full.
async fn assert_minds_no_room(site: &Site, command: &[&str]) {
    if site.run(command).await.stdout.is_empty() {
        // It says on stderr that there is nothing.
        return;
    }
    let full = File::options().write(true).open("/dev/full");
    let full = full.expect("the kernel has such a device");
    let process = Process::start_with_output(site.command(command), full.into());
    let ended = process.ended().await;
    assert_ne!(ended.code(), Some(0), "{command:?}: {}", ended.stderr);
    let panicked = ended.stderr.contains("panicked");
    assert!(!panicked, "{command:?}: {}", ended.stderr);
}

/// Tells whether nobody misses what a command writes: clap does not look whether it could.
fn is_answered_by_clap(command: &[&str]) -> bool {
    command
        .iter()
        .any(|word| ["--help", "--version"].contains(word))
}

#[tokio::test]
async fn no_command_minds_a_reader_that_has_seen_enough() {
    let site = &with_dead_letters().await;
    // One after the other: who looks at dead letters hides them from the next one.
    for command in WRITING {
        assert_minds_no_reader(site, command).await;
    }
}

#[tokio::test]
async fn every_command_fails_whose_data_finds_no_room() {
    let site = &with_dead_letters().await;
    let has_data = |command: &&&[&str]| !is_answered_by_clap(command);
    for command in WRITING.iter().filter(has_data) {
        assert_minds_no_room(site, command).await;
    }
}
