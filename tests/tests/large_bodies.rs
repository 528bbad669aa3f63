//! What the largest bodies that SQS carries cost a worker in memory.
#![forbid(unsafe_code)]

use fleet_tests::books::{order, placed};
use fleet_tests::patience::until;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::{Value, json};

/// Bodies of a usual run, twice what is in work at once; with `FLEET_TEST_LARGE=1` there
/// are [`BODIES_LARGE`].
const BODIES: u64 = 32;
const BODIES_LARGE: u64 = 2_000;

/// So many wait at once, because the queue is in this process's memory.
const BACKLOG: u64 = 32;

const MIB: usize = 1024 * 1024;

/// What a worker may need for them, beyond what it needs anyway.
const GROWTH_MAX: usize = 64 * MIB;

/// Reads a line of a process's memory in bytes: `VmRSS`, or `VmHWM`, its highest.
fn memory(process: &Process, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
    let status = status.expect("it is running");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("it is a number")
        * 1024
}

/// Makes an order that is as large as a message may be.
fn largest(id: u64) -> String {
    let mut order = order(&format!("large {id}"), 1);
    order["note"] = json!("");
    let bare = placed(&order);
    order["note"] = Value::from("x".repeat(MIB - bare.len()));
    placed(&order)
}

/// Promise 9.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_a_mebibyte_at_concurrency_sixteen_need_less_than_64_mebibytes_more() {
    let site = Site::new().await.with("BILLING_CONCURRENCY", "16");
    let (process, _probe) = site.start_ready(&["run", "billing"]).await;
    for id in 0..100 {
        let small = placed(&order(&format!("small {id}"), 1));
        site.queue.send(&small, Default::default()).await;
    }
    site.books.until_count("billing.invoices", 100).await;
    let base = memory(&process, "VmRSS");
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);

    let bodies = match std::env::var_os("FLEET_TEST_LARGE") {
        Some(_) => BODIES_LARGE,
        None => BODIES,
    };
    for id in 0..BACKLOG {
        site.queue.send(&largest(id), Default::default()).await;
    }
    let (process, _probe) = site.start_ready(&["run", "billing"]).await;
    for id in BACKLOG..bodies {
        until("there is room for another", async || {
            (site.queue.counts().await.total() < BACKLOG).then_some(())
        })
        .await;
        site.queue.send(&largest(id), Default::default()).await;
    }
    site.books
        .until_count("billing.invoices", 100 + bodies)
        .await;
    let highest = memory(&process, "VmHWM");
    let grown = highest.saturating_sub(base);
    println!("base {} MiB, grown by {} MiB", base / MIB, grown / MIB);
    assert!(grown <= GROWTH_MAX, "grown from {base} to {highest} bytes");
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}
