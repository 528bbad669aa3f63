//! What the command line says of itself and of its configuration.
#![forbid(unsafe_code)]

use std::process::Stdio;

use fleet_tests::process::{Ended, Process};
use fleet_tests::site::fleet;

/// A configuration in which nothing is wrong.
const SOUND: [(&str, &str); 3] = [
    (
        "DATABASE_URL",
        "postgres://fleet:hunter2@db.example.com:5432/shop",
    ),
    ("AWS_REGION", "eu-central-1"),
    (
        "BILLING_QUEUE_URL",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/billing",
    ),
];

async fn run(arguments: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = fleet(arguments);
    command.envs(env.iter().copied());
    Process::start(command).ended().await
}

#[tokio::test]
async fn one_report_names_every_variable_that_is_missing() {
    for command in ["config", "run", "relay"] {
        let ended = run(&[command], &[]).await.with_code(2);
        assert_eq!(ended.stdout, "", "{command}");
        for variable in ["DATABASE_URL", "AWS_REGION", "BILLING_QUEUE_URL"] {
            let line = format!("  {variable}: is not set");
            assert!(ended.stderr.contains(&line), "{command}: {}", ended.stderr);
        }
        assert!(ended.stderr.contains("has 3 problems"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn one_report_names_every_variable_that_is_malformed() {
    let malformed = [
        ("DATABASE_URL", "mysql://fleet:hunter2@127.0.0.1/shop"),
        ("DATABASE_DIRECT_URL", "hunter2"),
        ("DATABASE_POOL_SIZE", "0"),
        ("FLEET_SCHEMA", "Fleet\"; drop"),
        ("AWS_ENDPOINT_URL_SQS", "127.0.0.1:9324"),
        ("ADMIN_ADDR", "localhost"),
        ("SHUTDOWN_GRACE", "30"),
        ("UNKNOWN_TYPE_GRACE", "-1h"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("LOG_SUCCESS", "some"),
        ("BILLING_QUEUE_URL", "billing"),
        ("BILLING_CONCURRENCY", "many"),
        ("BILLING_HANDLER_TIMEOUT", "13h"),
        ("BILLING_MAX_ATTEMPTS", "0"),
        ("BILLING_RECEIVE_WAIT", "500ms"),
    ];
    let mut env = malformed.to_vec();
    env.push(("AWS_REGION", "eu-central-1"));
    for command in ["config", "run", "relay", "dev"] {
        let mut env = env.clone();
        if command == "dev" {
            // These four are refused first, as not of this machine.
            env.retain(|(name, _)| !name.starts_with("DATABASE_") && !name.starts_with("AWS_"));
        }
        let ended = run(&[command], &env).await.with_code(2);
        assert_eq!(ended.stdout, "", "{command}");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        for (variable, _) in &env {
            // `dev` makes its own queues, whatever this says.
            let counts = *variable != "AWS_REGION"
                && !(command == "dev" && *variable == "BILLING_QUEUE_URL");
            let named = ended.stderr.contains(&format!("\n  {variable}: "));
            assert_eq!(named, counts, "{command} {variable}: {}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn enqueue_and_queues_report_everything_at_once_too() {
    let arguments = ["enqueue", "billing", "--type", "order.placed"];
    for arguments in [&arguments[..], &["queues"]] {
        let ended = run(arguments, &[]).await.with_code(2);
        for variable in ["AWS_REGION", "BILLING_QUEUE_URL"] {
            assert!(ended.stderr.contains(variable), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn addresses_of_sqs_that_leave_this_machine_in_the_clear_are_refused_by_name() {
    let queue = "http://sqs.eu-central-1.amazonaws.com/123456789012/billing";
    let arguments = ["enqueue", "billing", "--type", "order.placed"];
    for (variable, url) in [
        ("AWS_ENDPOINT_URL_SQS", "http://sqs.internal:9324"),
        ("AWS_ENDPOINT_URL", "http://192.0.2.7:9324"),
        ("BILLING_QUEUE_URL", queue),
    ] {
        let mut env = SOUND.to_vec();
        env.retain(|(name, _)| *name != variable);
        env.push((variable, url));
        for arguments in [&["run"][..], &["relay"], &["queues"], &arguments] {
            let ended = run(arguments, &env).await.with_code(2);
            let said = format!("  {variable}: ");
            assert!(
                ended.stderr.contains(&said),
                "{arguments:?}: {}",
                ended.stderr
            );
            assert!(ended.stderr.contains("write https://"), "{}", ended.stderr);
        }
    }
}

#[tokio::test]
async fn config_shows_values_with_their_sources_and_no_secret() {
    let ended = run(&["config"], &SOUND).await.with_code(0);
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains("hunter2"), "{}", ended.stdout);
    let columns = |name: &str| -> Vec<String> {
        let line = ended
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name} is missing:\n{}", ended.stdout));
        line.split_ascii_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        columns("DATABASE_URL"),
        ["DATABASE_URL", "***", "environment"]
    );
    assert_eq!(
        columns("DATABASE_DIRECT_URL"),
        ["DATABASE_DIRECT_URL", "(unset)", "default"]
    );
    assert_eq!(
        columns("BILLING_CONCURRENCY"),
        ["BILLING_CONCURRENCY", "16", "default"]
    );
    assert_eq!(
        columns("ADMIN_ADDR"),
        ["ADMIN_ADDR", "127.0.0.1:9464", "default"]
    );
}

#[tokio::test]
async fn config_as_json_says_the_same() {
    let ended = run(&["config", "--json"], &SOUND).await.with_code(0);
    let report = ended.json();
    let setting = |name: &str| {
        let settings = report["settings"].as_array().expect("a list");
        settings
            .iter()
            .find(|setting| setting["name"] == name)
            .unwrap_or_else(|| panic!("{name} is missing in {report}"))
            .clone()
    };
    assert_eq!(setting("DATABASE_URL")["value"], "***");
    assert_eq!(setting("DATABASE_URL")["source"], "environment");
    assert_eq!(setting("BILLING_RECEIVE_WAIT")["value"], "20s");
    assert_eq!(setting("BILLING_RECEIVE_WAIT")["source"], "default");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn what_is_likely_a_mistake_is_a_warning() {
    let mut env = SOUND.to_vec();
    env.push(("BILLING_HANDLER_TIMEOUT", "10m"));
    let ended = run(&["config"], &env).await.with_code(0);
    assert!(
        ended.stdout.contains("warning: BILLING_HANDLER_TIMEOUT"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn the_version_names_the_commit() {
    let ended = run(&["--version"], &[]).await.with_code(0);
    let words: Vec<&str> = ended.stdout.split_ascii_whitespace().collect();
    assert_eq!(words[0], "fleet");
    assert!(
        words[1].starts_with(|c: char| c.is_ascii_digit()),
        "{words:?}"
    );
    let commit = words[2].trim_start_matches('(').trim_end_matches(')');
    let is_commit = commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_alphanumeric());
    assert!(is_commit, "{words:?}");
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    for arguments in [
        &["no-such-command"][..],
        &[],
        &["run", "--no-such-flag"],
        &["run", "--timeout", "5s"],
        &["run", "--drain", "--timeout", "soon"],
        &["enqueue", "billing"],
        &["dev", "--json"],
    ] {
        let ended = run(arguments, &SOUND).await.with_code(2);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_ne!(ended.stderr, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    for arguments in [
        &["config"][..],
        &["config", "--json"],
        &["--help"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut command = fleet(arguments);
        command.envs(SOUND).stdin(Stdio::null());
        // Its only reader is gone before it begins.
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        command.stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().expect("it can be run");
        let output = child.wait_with_output().await.expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_output_without_room_is_a_failure() {
    let mut command = fleet(&["config"]);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    command.envs(SOUND).stdin(Stdio::null()).stdout(full);
    let child = command.stderr(Stdio::piped()).spawn();
    let child = child.expect("it can be run");
    let output = child.wait_with_output().await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot write"), "no_room: {said}");
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn healthcheck_needs_a_port_that_can_be_asked() {
    for addr in ["127.0.0.1:0", "nowhere"] {
        let ended = run(&["healthcheck"], &[("ADMIN_ADDR", addr)]).await;
        let ended = ended.with_code(2);
        assert!(ended.stderr.contains("ADMIN_ADDR"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn healthcheck_of_nobody_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let ended = run(&["healthcheck"], &[("ADMIN_ADDR", &addr)]).await;
    let ended = ended.with_code(1);
    assert!(ended.stderr.contains(&addr), "{}", ended.stderr);
}
