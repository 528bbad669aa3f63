//! Killed at every step, and gone on with.

use fleet_tests::mailbox::Counts;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use futures_util::stream::{self, StreamExt as _};
use tokio::process::Command;

use crate::graveyard::{INVOICES, LEASE, assert_done_once, bury_orders, end};

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

/// Most of the time they wait for a lease to end; two cores run some at once.
const SITES_AT_ONCE: usize = 4;

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

/// Kills a replay at a place, and goes on with it in one way or another.
async fn check(place: &str, goes_on: impl Fn(&str) -> Vec<String>) {
    let site = Site::new().await;
    bury_orders(&site, 0..ORDERS).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let id = kill_at(&site, &format!("{place}=hang")).await;
    let arguments = goes_on(&id);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let summary = site.run(&arguments).await.with_code(0).json();
    assert_eq!(summary["state"], "done", "{place}: {summary}");
    assert_done_once(&site, ORDERS).await;
    let rows = site
        .books
        .rows("select state, count(*) as n from fleet.replay_entries group by state");
    let rows = rows.await;
    assert_eq!(rows.len(), 1, "{place}: {rows:?}");
    assert_eq!(rows[0]["state"], "deleted", "{place}: {rows:?}");
    assert_eq!(rows[0]["n"], ORDERS, "{place}: {rows:?}");
    end(process).await;
}

async fn each<F: Future<Output = ()>>(check: impl Fn(&'static str) -> F) {
    let checks = stream::iter(PLACES).map(check);
    checks.buffer_unordered(SITES_AT_ONCE).collect::<()>().await;
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

// A database is dropped on the thread that drops it, and the other sites go on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_and_resumed_every_effect_is_there_once() {
    each(|place| check(place, |id| common(&["--resume", id]))).await;
}

// A database is dropped on the thread that drops it, and the other sites go on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_step_and_begun_anew_every_effect_is_there_once() {
    each(|place| check(place, |_| common(&[]))).await;
}

#[tokio::test]
async fn killed_in_the_middle_while_another_one_runs_every_effect_is_there_once() {
    let site = Site::new().await;
    bury_orders(&site, 0..200).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let arguments = common(&["--rate", "60/s"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let other = site.start(&arguments);
    kill_at(&site, "replay.sent:3=hang").await;
    other.ended().await.with_code(0);
    assert_done_once(&site, 200).await;
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    assert_eq!(site.books.count(INVOICES).await, 200);
    end(process).await;
}
