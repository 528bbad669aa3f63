//! A first run stays on this machine, whatever the caller's environment names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What somebody's shell may hold, pointing away from this machine.
const HOSTILE: &[(&str, &str)] = &[
    ("DATABASE_URL", "postgres://user:pw@db.hostile.invalid/prod"),
    (
        "DATABASE_DIRECT_URL",
        "postgres://user:pw@db.hostile.invalid/prod",
    ),
    ("PGHOST", "db.hostile.invalid"),
    ("PGPORT", "6543"),
    ("PGUSER", "hostile"),
    ("PGPASSWORD", "hostile"),
    ("PGSERVICE", "hostile"),
    ("PGOPTIONS", "-c search_path=hostile"),
    ("AWS_PROFILE", "hostile"),
    ("AWS_ENDPOINT_URL", "https://aws.hostile.invalid"),
    ("AWS_ENDPOINT_URL_SQS", "https://sqs.hostile.invalid"),
    ("AWS_ACCESS_KEY_ID", "hostile"),
    ("AWS_SECRET_ACCESS_KEY", "hostile"),
    ("AWS_SESSION_TOKEN", "hostile"),
    ("AWS_REGION", "hostile-1"),
    ("AWS_CONFIG_FILE", "/hostile/config"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/hostile/token"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "https://credentials.hostile.invalid",
    ),
    ("http_proxy", "http://proxy.hostile.invalid:3128"),
    ("https_proxy", "http://proxy.hostile.invalid:3128"),
    ("HTTP_PROXY", "http://proxy.hostile.invalid:3128"),
    ("HTTPS_PROXY", "http://proxy.hostile.invalid:3128"),
    ("ALL_PROXY", "socks5://proxy.hostile.invalid:1080"),
    ("all_proxy", "socks5://proxy.hostile.invalid:1080"),
    ("no_proxy", "hostile.invalid"),
    ("NO_PROXY", "hostile.invalid"),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "https://traces.hostile.invalid",
    ),
    ("SMTP_URL", "smtp://mail.hostile.invalid"),
    ("MAIL_API_URL", "https://mail.hostile.invalid"),
    ("API_TOKENS", "hostile"),
    (
        "BILLING_QUEUE_URL",
        "https://sqs.hostile.invalid/000000000000/billing",
    ),
    ("FLEET_SCHEMA", "hostile"),
];

/// What the caller may well want a program to see.
const KEPT: &[(&str, &str)] = &[
    ("LOG_LEVEL", "debug"),
    ("RUST_BACKTRACE", "1"),
    ("FLEET_PG_BIN", "/opt/pg/bin"),
    ("TWO_LINES", "one\nPGHOST=two"),
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// Runs a program of the repository with nothing but a PATH and this.
fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {}: {said}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).expect("its output is UTF-8")
}

/// Fails when anything of `HOSTILE` is in an environment as `env` prints it.
fn assert_harmless(environment: &str) {
    for (name, value) in HOSTILE {
        let found = environment
            .lines()
            .find(|line| *line == format!("{name}={value}"));
        assert_eq!(found, None, "{name} reaches the programs");
    }
    assert!(
        !environment.contains("hostile"),
        "something hostile is left:\n{environment}"
    );
}

#[test]
fn nothing_hostile_passes_the_clean_environment() {
    let environment = run("infra/scripts/clean-env.sh", &["env"], HOSTILE);
    assert_harmless(&environment);
    let fixed: BTreeMap<&str, &str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(fixed["AWS_ACCESS_KEY_ID"], "test");
    assert_eq!(fixed["AWS_SECRET_ACCESS_KEY"], "test");
    assert_eq!(fixed["AWS_REGION"], "us-east-1");
    assert_eq!(fixed["AWS_EC2_METADATA_DISABLED"], "true");
    assert_eq!(fixed["AWS_CONFIG_FILE"], "/dev/null");
    assert_eq!(fixed["AWS_SHARED_CREDENTIALS_FILE"], "/dev/null");
}

#[test]
fn what_is_harmless_passes() {
    let environment = run("infra/scripts/clean-env.sh", &["env"], KEPT);
    for (name, value) in KEPT {
        assert!(
            environment.contains(&format!("{name}={value}\n")),
            "{name} is lost"
        );
    }
}

#[test]
fn a_program_keeps_its_arguments() {
    let output = run(
        "infra/scripts/clean-env.sh",
        &["printf", "<%s>", "a b", "", "*"],
        HOSTILE,
    );
    assert_eq!(output, "<a b><><*>");
}

#[test]
fn the_programs_of_make_see_nothing_hostile() {
    assert_harmless(&run("make", &["--silent", "print-env"], HOSTILE));
}

/// Every line that starts a program of ours, and not only builds it.
#[test]
fn make_starts_programs_in_the_clean_environment_only() {
    for target in ["run", "observe", "test", "bench", "starter"] {
        let lines = run("make", &["--dry-run", target], HOSTILE);
        let mut started = 0;
        for line in lines.lines().map(str::trim) {
            let builds = line.contains("--no-run") || line.contains("cargo build");
            let starts = ["cargo test", "cargo run", "/quick/fleet", "/release/bench"]
                .iter()
                .any(|program| line.contains(program));
            if starts && !builds {
                started += 1;
                assert!(
                    line.starts_with("infra/scripts/clean-env.sh "),
                    "make {target}: {line}"
                );
            }
        }
        assert!(started > 0, "make {target} starts nothing:\n{lines}");
    }
}

#[test]
fn make_and_its_scripts_never_become_root_or_start_a_service() {
    let scripts = root().join("infra/scripts");
    let mut files = vec![root().join("Makefile"), root().join(".ci/run")];
    let entries = std::fs::read_dir(scripts).expect("the scripts are readable");
    files.extend(entries.map(|entry| entry.expect("the scripts are readable").path()));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("scripts are UTF-8");
        for (line, number) in text.lines().zip(1..) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            // A line may tell its reader to type sudo; that is text, in quotes.
            let command = words.first().copied().unwrap_or_default();
            let calls = [
                "sudo",
                "su",
                "doas",
                "systemctl",
                "service",
                "pg_ctlcluster",
            ];
            assert!(
                !calls.contains(&command),
                "{}:{number}: {line}",
                file.display()
            );
            let joined = calls.iter().any(|call| {
                ["; ", "&& ", "|| ", "| ", "exec ", "$("]
                    .iter()
                    .any(|before| line.contains(&format!("{before}{call} ")))
            });
            assert!(!joined, "{}:{number}: {line}", file.display());
        }
    }
}
