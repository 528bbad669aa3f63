//! What a process stands: handlers that block all its threads, and messages as large as they get.
#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use fleet::message::BODY_BYTES_MAX;
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::patience::{PATIENCE, until, until_within};
use fleet_tests::probe::Probe;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

/// How much memory large messages may take on top of what an idle process has.
const LOAD_KIB_MAX: u64 = 64 * 1024;

/// Large messages: two gigabytes in all.
const LOADS: u64 = 2_000;

/// So many wait in the queue: more than a consumer takes at once, less than fills this process.
const LOADS_WAITING: u64 = 40;

/// A site with the queue of one consumer of the program.
async fn site(consumer: &str) -> (Site, Mailbox) {
    let site = Site::new().await;
    let (queue, _dead) = Mailbox::pair(site.sqs(), consumer).await;
    let prefix = consumer.to_uppercase();
    let url = format!("{}/000000000000/{consumer}", site.endpoint());
    let site = site
        .with(&format!("{prefix}_QUEUE_URL"), &url)
        .with(&format!("{prefix}_RECEIVE_WAIT"), "1s")
        .with("LOG_SUCCESS", "none");
    (site, queue)
}

async fn start_ready(site: &Site, consumer: &str) -> (Process, Probe) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strained"));
    command.args(["run", consumer]).env_clear().envs(&site.env);
    let mut process = Process::start(command);
    let probe = Probe::of(&mut process).await;
    probe.until_ready().await;
    (process, probe)
}

async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

fn event(event_type: &str, id: u64, data: Value) -> String {
    json!({
        "specversion": "1.0", "id": id.to_string(), "source": "/test", "type": event_type, "data": data,
    })
    .to_string()
}

/// Promises 1 and 3: heartbeats and probes have a thread of their own.
#[tokio::test(flavor = "multi_thread")]
async fn while_handlers_block_every_thread_leases_are_kept_and_probes_are_answered() {
    const THREADS: usize = 2;
    const MESSAGES: u64 = 6;
    let (site, queue) = site("asking").await;
    // The shortest that goes with the wait: a lease is extended after six seconds.
    queue.set("VisibilityTimeout", "12").await;
    let site = site.with("TOKIO_WORKER_THREADS", &THREADS.to_string());
    let (process, probe) = start_ready(&site, "asking").await;
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port is free");
    let whom = silent.local_addr().expect("it is bound");
    for id in 0..MESSAGES {
        queue
            .send(
                &event("asked", id, json!({ "whom": whom })),
                Default::default(),
            )
            .await;
    }
    let mut blocked = Vec::new();
    while blocked.len() < THREADS {
        blocked.push(silent.accept().await.expect("a handler asks"));
    }
    let counted = |metric: &'static str| async move {
        let page = probe.get("/metrics").await.expect("metrics are served");
        let value = page.body.lines().find_map(|line| line.strip_prefix(metric));
        value
            .and_then(|value| value.trim().parse::<u64>().ok())
            .expect("it is counted")
    };
    let extensions = "fleet_lease_extensions_total{queue=\"asking\",result=\"extended\"}";
    until("every lease was extended twice", || async {
        probe.assert_live().await;
        (counted(extensions).await >= 2 * MESSAGES).then_some(())
    })
    .await;
    assert_eq!(
        queue.counts().await.in_flight,
        MESSAGES,
        "SQS gives them to nobody else"
    );

    drop(blocked);
    let hanging_up = tokio::spawn(async move { while silent.accept().await.is_ok() {} });
    queue.until_holds(0).await;
    assert_eq!(
        counted("fleet_messages_received_total{queue=\"asking\"}").await,
        MESSAGES
    );
    assert_eq!(
        counted("fleet_leases_lost_total{queue=\"asking\"}").await,
        0
    );
    probe.assert_live().await;
    end(process).await;
    hanging_up.abort();
}

/// Promise 9: no more is received than can run, and bytes count, too.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_mebibyte_take_bounded_memory() {
    let (site, queue) = site("unloading").await;
    let (process, _probe) = start_ready(&site, "unloading").await;
    let idle = memory_kib(&process, "VmRSS:");
    for id in 0..LOADS {
        if id % (LOADS_WAITING / 2) == 0 {
            until("there is room in the queue", || async {
                (queue.counts().await.visible <= LOADS_WAITING / 2).then_some(())
            })
            .await;
        }
        queue.send(&load(id), Default::default()).await;
    }
    until_within(3 * PATIENCE, "everything is done", || async {
        (queue.counts().await == Counts::NONE).then_some(())
    })
    .await;
    assert_eq!(
        site.books
            .count("fleet.inbox where consumer = 'unloading'")
            .await,
        LOADS
    );
    let peak = memory_kib(&process, "VmHWM:");
    assert!(
        peak <= idle + LOAD_KIB_MAX,
        "{peak} KiB at the peak, {idle} KiB when idle"
    );
    end(process).await;
}

/// Writes a message of exactly a mebibyte, full of what JSON has to escape.
fn load(number: u64) -> String {
    const LINE: &str = r#"{"sku":"85123A","description":"WHITE HANGING HEART T-LIGHT HOLDER"},"#;
    let empty = event("loaded", number, json!({ "number": number, "lines": [] }));
    let (head, tail) = empty.split_once("[]").expect("the list is there");
    let room = BODY_BYTES_MAX - empty.len();
    let last = "0".repeat(room % LINE.len()).replace('0', " ");
    let mut lines = LINE.repeat(room / LINE.len());
    lines.pop();
    format!("{head}[{lines}{last}] {tail}")
}

/// Reads a figure of a process's memory as the kernel keeps it.
fn memory_kib(process: &Process, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()));
    let status = status.expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok())
        .expect("the kernel tells")
}
