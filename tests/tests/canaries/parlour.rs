use std::collections::BTreeMap;

use fleet_tests::probe::Probe;
use fleet_tests::process::{Ended, Process, Signal};
use fleet_tests::site::Site;
use serde_json::Value;
use sqs_local::{MessageAttributeValue, MessageAttributes};
use tokio::process::Command;

use super::collector::Collector;
use super::evidence::Evidence;
use super::marks::{ATTRIBUTE, BAGGAGE, OTEL_HEADER, SECRET_KEY, SESSION_TOKEN};
use super::slips::Slip;

/// A table whose rules are broken, a function that quotes, and a way back for what is published.
const TABLES: [&str; 4] = [
    "create table customers (
         email text primary key, name text not null check (name <> ''), card text not null)",
    "create table orders (
         email text references customers (email) deferrable initially deferred)",
    "create function complain(email text) returns void language plpgsql as
         $$ begin raise exception '% is unknown', email using errcode = 'check_violation'; end $$",
    "insert into fleet.subscriptions (event_type, consumer) values ('slip', 'billing')",
];

/// A site where the indiscreet program works, with secrets in its environment.
#[derive(Debug)]
pub(super) struct Parlour {
    pub(super) site: Site,
    pub(super) evidence: Evidence,
    pub(super) traces: Collector,
}

impl Parlour {
    pub(super) async fn open() -> Self {
        let mut site = Site::new().await;
        for statement in TABLES {
            site.books.run(statement).await;
        }
        let traces = Collector::open().await;
        for (name, value) in [
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &traces.url()),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                &format!("authorization={OTEL_HEADER}"),
            ),
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("API_TOKENS", OTEL_HEADER),
            // All that the fleet has to say.
            ("LOG_LEVEL", "trace"),
            ("UNKNOWN_TYPE_GRACE", "0s"),
            ("BILLING_MAX_ATTEMPTS", "1"),
            ("BILLING_HANDLER_TIMEOUT", "2s"),
            ("RUST_BACKTRACE", "1"),
        ] {
            site.env.insert(name.to_owned(), value.to_owned());
        }
        let mut evidence = Evidence::default();
        evidence.forbid(password_of(site.books.url()));
        Self {
            site,
            evidence,
            traces,
        }
    }

    /// Sets a variable of the programs that are started from now on.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.site.env.insert(name.to_owned(), value.to_owned());
    }

    /// Sends a body with attributes that are nobody's business, and returns its MessageId.
    pub(super) async fn send(&self, slip: &Slip) -> String {
        let more = slip.attributes.clone();
        self.site.queue.send(&slip.body, attributes(more)).await
    }

    /// Starts the indiscreet program.
    pub(super) fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments))
    }

    /// Makes the command line of the indiscreet program.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_indiscreet"));
        command.args(arguments).env_clear().envs(&self.site.env);
        command
    }

    /// Runs the indiscreet program to its end, and keeps what it says.
    pub(super) async fn run(&mut self, path: &str, arguments: &[&str]) -> Ended {
        let ended = self.start(arguments).ended().await;
        self.evidence.add_ended(path, &ended);
        ended
    }

    /// Stops a program, and keeps all that came out of it.
    pub(super) async fn stop(&mut self, path: &str, process: Process, probe: Probe) {
        self.evidence.add_answers(path, probe).await;
        process.signal(Signal::Terminate);
        let ended = process.ended().await.with_code(0);
        self.evidence.add_ended(path, &ended);
        self.evidence.add_tables(path, &self.site.books).await;
        self.evidence.add(path, "traces", self.traces.taken());
    }
}

/// Returns the password of the address of a database.
pub(super) fn password_of(url: &str) -> &str {
    let (user, _) = url.rsplit_once('@').expect("it has a user");
    let (_, password) = user.rsplit_once(':').expect("it has a password");
    password
}

/// Makes attributes: the secret one, what tracing adds, and more.
pub(super) fn attributes(more: Vec<(String, String)>) -> MessageAttributes {
    let usual = [
        (ATTRIBUTE, ATTRIBUTE.to_owned()),
        ("baggage", format!("user={BAGGAGE}")),
        ("tracestate", format!("vendor={BAGGAGE}")),
    ];
    let usual = usual.map(|(name, value)| (name.to_owned(), value));
    let all = usual.into_iter().chain(more);
    all.map(|(name, value)| (name, MessageAttributeValue::string(value)))
        .collect()
}

/// Reads the log lines that say how a message ended, by its MessageId.
pub(super) fn endings(log: &str) -> BTreeMap<String, Value> {
    let lines = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.get("settlement")?;
        Some((line.get("message.id")?.as_str()?.to_owned(), line))
    });
    lines.collect()
}
