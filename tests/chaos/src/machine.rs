//! On what a run ran.

use std::path::Path;
use std::process::Command;

use fleet_tests::programs::repository;
use serde::Serialize;

/// The machine, without its name, and the source.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// How many cores this process may use.
    pub cores: usize,
    /// Its memory, in MiB.
    pub memory_mib: Option<u64>,
    /// What its processor calls itself.
    pub processor: Option<String>,
    /// The commit that was built, if it was built in a repository.
    pub commit: Option<String>,
}

impl Machine {
    /// Looks around.
    pub fn here() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_mib(),
            processor: line("/proc/cpuinfo", "model name"),
            commit: commit(repository()),
        }
    }
}

fn memory_mib() -> Option<u64> {
    let line = line("/proc/meminfo", "MemTotal")?;
    let kib: u64 = line.split(' ').next()?.parse().ok()?;
    Some(kib / 1024)
}

/// Returns what follows a name and a colon in a file of the kernel.
fn line(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(':')?;
    Some(value.trim().to_owned())
}

fn commit(repository: &Path) -> Option<String> {
    let git = Command::new("git")
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
            "--exclude=*",
        ])
        .current_dir(repository)
        .output()
        .ok()?;
    let commit = String::from_utf8(git.stdout).ok()?.trim().to_owned();
    (git.status.success() && !commit.is_empty()).then_some(commit)
}
