//! A process has a thread for each CPU that it may use.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use fleet_tests::cpu::threads;
use fleet_tests::patience::until;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::fleet;
use serde_json::Value;
use tokio::process::Command;

/// Of the thread's name the kernel keeps 15 bytes, which is all of this one.
const NAME: &str = "fleet-worker";

/// Nobody answers there: a process that starts waits for what it needs.
const NOWHERE: [(&str, &str); 6] = [
    ("ADMIN_ADDR", "127.0.0.1:0"),
    ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("DATABASE_URL", "postgres://fleet:test@127.0.0.1:9/fleet"),
];

/// Starts `fleet run` through a command line that goes before it, and checks how many threads it has.
async fn assert_threads(before: &[&str], expected: usize) {
    let run = fleet(&["run"]);
    let run = run.as_std();
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).arg(run.get_program());
    command.args(run.get_args()).env_clear();
    let kept = run
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command.envs(kept).envs(NOWHERE);
    command.env(
        "BILLING_QUEUE_URL",
        "http://127.0.0.1:9/000000000000/billing",
    );
    let mut process = Process::start(command);
    let said = process.find_in_stderr(threads_of_line).await;
    assert_eq!(said, u64::try_from(expected).unwrap(), "in the log");
    // Threads that block for a moment, to read a file, have the same name, and go some seconds later.
    until(&format!("{expected} threads are left"), || async {
        (threads(process.id(), NAME) == expected).then_some(())
    })
    .await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

fn threads_of_line(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line)
        .ok()?
        .get("threads")?
        .as_u64()
}

#[tokio::test]
async fn alone_on_the_machine_there_is_one_for_each_cpu() {
    assert_threads(&["env"], available_parallelism().unwrap().get()).await;
}

#[tokio::test]
async fn they_follow_the_quota_of_the_cgroup() {
    let Some(cgroup) = Cgroup::of_one_cpu() else {
        eprintln!(
            "SKIP they_follow_the_quota_of_the_cgroup: no cgroup with a quota can be made here"
        );
        return;
    };
    let enter = format!(
        "echo $$ > {}/cgroup.procs; exec \"$@\"",
        cgroup.path.display()
    );
    assert_threads(&["sh", "-euc", &enter, "sh"], 1).await;
}

#[tokio::test]
async fn there_are_as_many_as_are_asked_for() {
    assert_threads(&["env", "TOKIO_WORKER_THREADS=3"], 3).await;
}

#[tokio::test]
async fn they_follow_the_affinity_of_the_process() {
    // Of the CPUs that this test may use, the first.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first: String = list
        .unwrap()
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    assert_threads(&["taskset", "--cpu-list", &first], 1).await;
}

/// A cgroup of this test; it goes with this value.
struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes one with a quota of one CPU; `None` where that is not possible.
    fn of_one_cpu() -> Option<Self> {
        let name = format!("fleet-test-{}", std::process::id());
        let roots = ["cpu", "cpu,cpuacct", ""].map(|root| Path::new("/sys/fs/cgroup").join(root));
        roots.into_iter().find_map(|root| {
            let cgroup = Self {
                path: root.join(&name),
            };
            fs::create_dir(&cgroup.path).ok()?;
            // The files of version 1 and of version 2, where its parent hands the CPU on.
            let set = |file: &str, value: &str| {
                let path = cgroup.path.join(file);
                path.exists() && fs::write(path, value).is_ok()
            };
            (set("cpu.cfs_quota_us", "100000") || set("cpu.max", "100000 100000")).then_some(cgroup)
        })
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It is empty: whoever was in it has ended.
        let _ = fs::remove_dir(&self.path);
    }
}
