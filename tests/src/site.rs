//! A place for programs to work in: queues, a database, and an environment that names only these.

use std::collections::BTreeMap;

use sqs_local::http::Server;
use sqs_local::{DeleteQueue, Sqs};
use tokio::process::Command;

use crate::books::Books;
use crate::gate::Gate;
use crate::mailbox::Mailbox;
use crate::pooler::Pooler;
use crate::probe::Probe;
use crate::process::{Ended, Process};
use crate::programs;
use crate::terminal::Terminal;

/// What a program is given of the environment of this test.
const KEPT: [&str; 3] = ["PATH", "TMPDIR", "FLEET_PG_BIN"];

/// The queues and the database of one test.
#[derive(Debug)]
pub struct Site {
    /// The database.
    pub books: Books,
    /// The queue of billing.
    pub queue: Mailbox,
    /// Its dead-letter queue.
    pub dead_letters: Mailbox,
    /// What `fleet run` reads.
    pub env: BTreeMap<String, String>,
    sqs: Sqs,
    server: Server,
}

impl Site {
    /// Makes one whose database has every migration.
    pub async fn new() -> Self {
        // First of all: a runtime that waits for cargo keeps its databases waiting, until they hang up.
        programs::fleet();
        Self::at(Books::migrated().await).await
    }

    /// Makes one whose database has none.
    pub async fn unmigrated() -> Self {
        programs::fleet();
        Self::at(Books::empty().await).await
    }

    /// Makes one with this database.
    pub async fn at(books: Books) -> Self {
        let sqs = Sqs::default();
        let (queue, dead_letters) = Mailbox::pair(&sqs, "billing").await;
        let server = Server::bind("127.0.0.1:0", sqs.clone())
            .await
            .expect("loopback has a free port");
        let mut env = endpoint(&server.url());
        env.extend(
            [
                ("DATABASE_URL", books.url()),
                ("ADMIN_ADDR", "127.0.0.1:0"),
                (
                    "BILLING_QUEUE_URL",
                    &format!("{}/000000000000/billing", server.url()),
                ),
                ("BILLING_RECEIVE_WAIT", "1s"),
                // A password takes a debug build long to check, and every connection has one.
                ("DATABASE_POOL_SIZE", "4"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Self {
            books,
            queue,
            dead_letters,
            env,
            sqs,
            server,
        }
    }

    /// Returns the SQS behind the queues.
    pub fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// Deletes a queue.
    pub async fn delete(&self, name: &str) {
        let queue_url = self.sqs.queue_url(name);
        let deleted = self.sqs.call(DeleteQueue { queue_url }).await;
        deleted.expect("the queue is there");
    }

    /// Returns where SDKs find it.
    pub fn endpoint(&self) -> String {
        self.server.url()
    }

    /// Sets a variable of the programs that are started from now on.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Puts a closed gate in front of the database.
    pub async fn gate_database(&mut self) -> Gate {
        let url = self.books.url().to_owned();
        let host = host_of(&url);
        let gate = Gate::closed(host.parse().expect("it is an IP address")).await;
        let gated = url.replace(host, &gate.addr().to_string());
        self.env.insert("DATABASE_URL".to_owned(), gated);
        gate
    }

    /// Puts a transaction pooler in front of the database.
    pub async fn pool_database(&mut self) -> Pooler {
        let url = self.books.url().to_owned();
        let host = host_of(&url);
        let pooler = Pooler::before(host.parse().expect("it is an IP address")).await;
        let pooled = url.replace(host, &pooler.addr().to_string());
        self.env.insert("DATABASE_URL".to_owned(), pooled);
        pooler
    }

    /// Puts a closed gate in front of SQS.
    pub async fn gate_queues(&mut self) -> Gate {
        let gate = Gate::closed(self.server.addr()).await;
        let url = format!("http://{}", gate.addr());
        self.env.insert("AWS_ENDPOINT_URL_SQS".to_owned(), url);
        gate
    }

    /// Makes the command line of a `fleet` that works here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = fleet(arguments);
        command.envs(&self.env);
        command
    }

    /// Starts `fleet` here.
    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments))
    }

    /// Starts `fleet` here in a terminal.
    pub fn start_in_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(self.command(arguments))
    }

    /// Starts `fleet` here and waits until it is ready.
    pub async fn start_ready(&self, arguments: &[&str]) -> (Process, Probe) {
        let mut process = self.start(arguments);
        let probe = Probe::of(&mut process).await;
        probe.until_ready().await;
        (process, probe)
    }

    /// Runs `fleet` here to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended().await
    }

    /// Runs `fleet` here to its end, with something on its stdin.
    pub async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let process = Process::start_with_input(self.command(arguments), input).await;
        process.ended().await
    }
}

/// Returns host and port of the address of a database.
fn host_of(url: &str) -> &str {
    let (_, rest) = url.rsplit_once('@').expect("it has a password");
    let (host, _) = rest.split_once('/').expect("it names a database");
    host
}

/// Makes the command line of a `fleet` whose environment names nothing.
pub fn fleet(arguments: &[&str]) -> Command {
    let mut command = Command::new(programs::fleet());
    command.args(arguments).env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Returns the variables by which an SDK finds an endpoint and nothing else.
pub fn endpoint(url: &str) -> BTreeMap<String, String> {
    [
        ("AWS_ENDPOINT_URL_SQS", url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
