//! Killed at every step, and gone on with.

use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::json;
use tokio::process::Command;

use crate::graveyard::{LEASE, assert_done_once, bury_orders, end};

/// Where a replay can be killed, in the order of its steps.
const PLACES: [&str; 7] = [
    "replay.received",
    "replay.planned",
    "replay.sent",
    "replay.marked",
    "replay.deleted",
    "replay.done",
    "replay.ending",
];

const ORDERS: u64 = 25;

/// Starts a replay that stops at a place, kills it there, and returns its number.
async fn kill_at(site: &Site, failpoint: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mortal"));
    command
        .args(["dlq", "replay", "billing", "--yes", "--lease", LEASE])
        .env_clear()
        .envs(&site.env)
        .env("FLEET_FAILPOINT", failpoint);
    let mut process = Process::start(command);
    let id = process
        .find_in_stderr(|line| {
            let (id, _) = line.strip_prefix("replay ")?.split_once(" begins")?;
            Some(id.to_owned())
        })
        .await;
    process.says("failpoint replay.").await;
    process.signal(Signal::Kill);
    assert_eq!(process.ended().await.killed_by(), Some(9));
    id
}

/// Kills a replay at each place, one after the other, and goes on with it in one way or another.
async fn check(goes_on: impl Fn(&str) -> Vec<String>) {
    let site = Site::new().await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let mut orders = 0;
    for place in PLACES {
        bury_orders(&site, orders..orders + ORDERS).await;
        orders += ORDERS;
        let id = kill_at(&site, &format!("{place}=hang")).await;
        let arguments = goes_on(&id);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let summary = site.run(&arguments).await.with_code(0).json();
        assert_eq!(summary["state"], "done", "{place}: {summary}");
        assert_done_once(&site, orders).await;
        let states = "select state, count(*) as n from fleet.replay_entries group by state";
        let states = site.books.rows(states).await;
        let all = json!([{ "state": "deleted", "n": orders }]);
        assert_eq!(json!(states), all, "{place}");
    }
    end(process).await;
}

fn common(more: &[&str]) -> Vec<String> {
    let common = [
        "dlq", "replay", "billing", "--yes", "--json", "--lease", LEASE,
    ];
    common
        .iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}

#[tokio::test]
async fn killed_at_any_step_and_resumed_every_effect_is_there_once() {
    check(|id| common(&["--resume", id])).await;
}

#[tokio::test]
async fn killed_at_any_step_and_begun_anew_every_effect_is_there_once() {
    check(|_| common(&[])).await;
}

#[tokio::test]
async fn killed_in_the_middle_while_another_one_runs_every_effect_is_there_once() {
    let site = Site::new().await;
    bury_orders(&site, 0..300).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let arguments = common(&["--rate", "20/s"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut other = site.start(&arguments);
    other.says("replay 1 begins").await;
    kill_at(&site, "replay.sent:3=hang").await;
    other.ended().await.with_code(0);
    assert_done_once(&site, 300).await;
    end(process).await;
}
