//! Bakes in the commit, for `--version` and the metric `fleet_build_info`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FLEET_COMMIT");
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    // A container build has no repository and passes the commit in.
    let given = std::env::var("FLEET_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = given
        .or_else(read_commit)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FLEET_COMMIT={commit}");
}

fn read_commit() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
