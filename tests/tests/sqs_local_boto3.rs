//! Drives the suite that sees sqs-local through boto3, where boto3 is installed.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqs_local::Sqs;
use sqs_local::http::Server;
use tokio::process::Command;

#[tokio::test]
async fn boto3_finds_what_it_expects() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = python_with_boto3().await else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI installs boto3, and it is missing"
        );
        eprintln!("SKIP boto3_finds_what_it_expects: no python3 with boto3");
        return;
    };
    let server = Server::bind("127.0.0.1:0", Sqs::default()).await.unwrap();
    let suite = here.join("conformance/boto3_suite.py");
    let mut command = Command::new(python);
    // Proxies are for others: the server is on this machine.
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    let output = command
        .arg("-B")
        .arg(suite)
        .arg(server.url())
        .output()
        .await
        .unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{report}", output.status);
    server.shutdown().await;
}

/// Finds the Python of the repository's own environment, or the system's.
async fn python_with_boto3() -> Option<PathBuf> {
    // `make test` puts it beside what cargo builds, wherever that is.
    let built = std::env::current_exe().unwrap();
    let target = built.ancestors().nth(3).unwrap();
    let own = target.join("venv/bin/python");
    for python in [own, PathBuf::from("python3")] {
        let mut import = Command::new(&python);
        import
            .args(["-c", "import boto3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if import.status().await.is_ok_and(|status| status.success()) {
            return Some(python);
        }
    }
    None
}
