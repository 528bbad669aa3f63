use fleet_tests::process::Process;
use fleet_tests::site::fleet;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Mutex;

use super::evidence::Evidence;
use super::marks::{OTEL_HEADER, PASSWORD, SECRET_KEY, SESSION_TOKEN};

/// A configuration in which nothing is wrong; nobody answers there.
const SOUND: [(&str, &str); 9] = [
    ("ADMIN_ADDR", "127.0.0.1:0"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ("AWS_SESSION_TOKEN", SESSION_TOKEN),
    ("API_TOKENS", OTEL_HEADER),
    (
        "BILLING_QUEUE_URL",
        "https://sqs.eu-central-1.amazonaws.com/123456789012/billing",
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=cnryOtelHeader"),
];

/// Values with a secret in them, each of which is refused, or is none that could be used.
const UNSOUND: [(&str, &str); 19] = [
    ("DATABASE_URL", "cnryPassword"),
    ("DATABASE_URL", "mysql://user:cnryPassword@127.0.0.1:1/shop"),
    (
        "DATABASE_URL",
        "postgres://user:cnry Password@127.0.0.1:1/shop",
    ),
    (
        "DATABASE_URL",
        "postgres://user:cnry/Password@127.0.0.1:1/shop",
    ),
    (
        "DATABASE_URL",
        "postgres://user:p@cnryPassword@127.0.0.1:1/shop",
    ),
    (
        "DATABASE_URL",
        "postgres://user:p@h?cnryPassword=x@127.0.0.1:1/shop",
    ),
    ("DATABASE_URL", "postgres://user:p@h:1/shop?cnryPassword"),
    (
        "DATABASE_URL",
        "postgres://user:p@h:1/shop?sslmode=cnryPassword",
    ),
    (
        "DATABASE_URL",
        "postgres://user:%zzcnryPassword@127.0.0.1:1/shop",
    ),
    (
        "DATABASE_URL",
        "host=127.0.0.1 port=1 password=cnryPassword",
    ),
    (
        "DATABASE_URL",
        "postgres://user:cnryPassword@127.0.0.1:port/shop",
    ),
    ("DATABASE_DIRECT_URL", "user:cnryPassword@127.0.0.1:1/shop"),
    (
        "AWS_ENDPOINT_URL_SQS",
        "http://user:cnryPassword@127.0.0.1:1",
    ),
    ("AWS_ENDPOINT_URL_SQS", "user:cnryPassword@127.0.0.1:1"),
    (
        "BILLING_QUEUE_URL",
        "https://user:cnryPassword@127.0.0.1:1/123456789012/billing",
    ),
    (
        "BILLING_QUEUE_URL",
        "user:cnryPassword@127.0.0.1:1/123456789012/billing",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "user:cnryPassword@127.0.0.1:1",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=cnryOtelHeader,cnryOtelHeader",
    ),
    (
        "HTTPS_PROXY",
        "cnryPassword://user:cnryPassword@127.0.0.1:1",
    ),
];

/// How many commands run at once: most wait for somebody who is not there.
const AT_ONCE: usize = 8;

/// Commands that repeat most of what is wrong with a variable.
const READING: [&[&str]; 2] = [&["config"], &["doctor"]];

/// Commands that read the configuration.
const COMMANDS: [&[&str]; 7] = [
    &["config"],
    &["doctor"],
    &["migrate", "--plan"],
    &["outbox", "stats"],
    &["queues"],
    &["run", "--drain", "--timeout", "1ms"],
    &["healthcheck"],
];

/// Runs a command with one more variable, and adds what it says.
async fn try_one(command: &[&str], (name, value): (&str, &str), evidence: &Mutex<Evidence>) {
    let url = format!("postgres://user:{PASSWORD}@127.0.0.1:1/shop");
    let mut line = fleet(command);
    line.env("DATABASE_URL", &url).envs(SOUND).env(name, value);
    let ended = Process::start(line).ended().await;
    let path = format!("{} with {name}={value:?}", command.join(" "));
    evidence.lock().await.add_ended(&path, &ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_tells_a_secret_of_its_environment() {
    let evidence = Mutex::new(Evidence::default());
    let sound = COMMANDS.map(|command| (command, ("LOG_LEVEL", "trace")));
    let unsound = UNSOUND
        .iter()
        .flat_map(|one| READING.map(|command| (command, *one)));
    let tries = sound.into_iter().chain(unsound);
    let tries = tries.map(|(command, one)| try_one(command, one, &evidence));
    stream::iter(tries)
        .for_each_concurrent(AT_ONCE, |trying| trying)
        .await;
    let evidence = evidence.into_inner();
    let shown = evidence.of("stdout");
    for variable in ["DATABASE_URL", "AWS_REGION"] {
        assert!(shown.contains(variable), "{shown}");
    }
    assert!(shown.contains("***"), "{shown}");
    evidence.assert_clean();
}
