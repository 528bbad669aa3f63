//! The experiment itself, small: it comes to its end, and leaves nothing behind however it ends.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use fleet_tests::patience::until;
use fleet_tests::process::{Process, Signal};
use fleet_tests::programs;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// How long a small attack may take on a machine that builds something meanwhile; half a minute is
/// usual.
const ATTACK_LIMIT: Duration = Duration::from_secs(300);

/// An attack whose report, and what its processes write, goes to a folder.
fn attack(folder: &Path, arguments: &[&str]) -> Command {
    programs::sqs_local();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-chaos"));
    let report = folder.join("report.json");
    command
        .arg("attack")
        .args(arguments)
        .arg("--report")
        .arg(report);
    command.kill_on_drop(true);
    command
}

async fn output(mut command: Command) -> Output {
    let output = timeout(ATTACK_LIMIT, command.output()).await;
    output.expect("it ends").expect("it was built")
}

/// Returns the numbers of all processes at this moment.
fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    names.collect()
}

/// Finds the processes that write to a folder.
fn writers(folder: &Path) -> Vec<u32> {
    let writes = |id: &u32| {
        let stdout = std::fs::read_link(format!("/proc/{id}/fd/1"));
        stdout.is_ok_and(|target| target.starts_with(folder))
    };
    processes().into_iter().filter(writes).collect()
}

/// Returns the group of a process that is no zombie.
fn group(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold anything; then come state, parent and group.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let is_zombie = fields.next()? == "Z";
    let group = fields.nth(1)?.parse().ok()?;
    (!is_zombie).then_some(group)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_attack_leaves_everything_whole() {
    let folder = TempDir::new().expect("it can be made");
    let options = "--messages 1500 --seconds 10 --kills 8 --crashes 1 --seed 7";
    let options: Vec<&str> = options.split(' ').collect();
    let ended = output(attack(folder.path(), &options)).await;
    let said = String::from_utf8_lossy(&ended.stdout);
    let complaints = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}\n{complaints}");
    let last: Vec<&str> = said.lines().rev().take(7).collect();
    assert_eq!(last[0], "whole", "{said}");
    for line in ["lost 0", "doubled 0", "unexpected 0", "seed 7"] {
        assert!(last.contains(&line), "{line}: {said}");
    }

    let report = std::fs::read(folder.path().join("report.json")).expect("it was written");
    let report: Value = serde_json::from_slice(&report).expect("it is JSON");
    assert_eq!(report["sends"]["events"], 1500);
    assert!(report["done"]["kills"].as_u64() >= Some(8), "{report}");
    assert_eq!(report["done"]["crashes"], 1);
    assert_eq!(report["options"]["seed"], 7);
    assert_eq!(report["verdict"]["findings"], serde_json::json!({}));
    // Of a whole run nothing else is kept.
    let kept = std::fs::read_dir(folder.path())
        .expect("it is there")
        .count();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_an_attack_that_is_interrupted_or_killed() {
    for (signal, code) in [(Signal::Interrupt, Some(130)), (Signal::Kill, None)] {
        let folder = TempDir::new().expect("it can be made");
        let path = folder.path().canonicalize().expect("it is there");
        let attacks = ["--messages", "600", "--seconds", "60", "--kills", "20"];
        let process = Process::start(attack(&path, &attacks));
        // Four workers and two relays, and those that follow the first who are killed.
        let everybody = until("everybody works", || async {
            let writers = writers(&path);
            (writers.len() >= 6).then(|| group(writers[0])).flatten()
        })
        .await;
        process.signal(signal);
        let ended = process.ended().await;
        assert_eq!(ended.code(), code, "{}", ended.stderr);
        until("nobody is left", || async {
            let left = processes()
                .into_iter()
                .filter(|id| group(*id) == Some(everybody));
            (left.count() == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let folder = TempDir::new().expect("it can be made");
    for wrong in [
        ["--messages", "0"],
        ["--seconds", "0"],
        ["--workers", "0"],
        ["--mutant", "perfect"],
        ["--speed", "1"],
    ] {
        let ended = output(attack(folder.path(), &wrong)).await;
        assert_eq!(ended.status.code(), Some(2), "{wrong:?}");
        assert!(ended.stdout.is_empty());
    }
}
