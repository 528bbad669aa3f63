//! The command `sqs-local`: the server, some queues to start with, and a way to end it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use sqs_local::http::{Control, Options, Server};
use sqs_local::{
    CreateQueue, FaultPlan, Permissions, PermissionsError, QueueName, Sqs, parse_span,
};

/// Receives after which a message moves to its dead-letter queue: far above what consumers that
/// count their own attempts need, since it is only their safety net.
const MAX_RECEIVE_COUNT: u32 = 100;
const VISIBILITY_SECS: u32 = 60;
const DEAD_LETTER_RETENTION_SECS: u32 = 14 * 24 * 60 * 60;

/// An SQS-compatible server in memory, stricter than SQS. It keeps nothing when it ends.
///
/// Point an SDK at it with AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324; any region and any
/// credentials will do, as signatures are not checked.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one, which the first line of output names
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9324")]
    listen: String,
    /// Queue to start with, and its dead-letter queue NAME-dlq (NAME.fifo: NAME-dlq.fifo);
    /// visibility timeout 60 s, 100 receives, 14 days of retention in the dead-letter queue
    #[arg(long, value_name = "NAME", value_parser = QueueName::parse)]
    queue: Vec<QueueName>,
    /// How long to hold back each answer, to stand for the network: 10ms, 1.5s
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = parse_span)]
    latency: Duration,
    /// Plan of faults, such as "seed=7; error rate=0.02; hang from=10s until=20s queue=orders"
    #[arg(
        long,
        value_name = "SPEC",
        default_value = "",
        hide_default_value = true
    )]
    faults: FaultPlan,
    /// File that says which access key may do what: a JSON object with a list of IAM policies for
    /// each key; without it everybody may do anything
    #[arg(long, value_name = "FILE", value_parser = permissions)]
    permissions: Option<Permissions>,
    /// Loopback address of the control port, which changes the faults and shows the history; port
    /// 0 takes a free one, which the second line of output names
    #[arg(long, value_name = "ADDRESS")]
    control: Option<String>,
    /// Keep a history: every call, which grows as long as the server runs, or only the counts
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        default_missing_value = "calls"
    )]
    history: Option<Kept>,
}

/// What the history is made of.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kept {
    Calls,
    Counts,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // If there is nowhere to write, the exit code has to do.
            let _unseen = writeln!(io::stderr(), "sqs-local: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let sqs = Sqs::default();
    for name in &arguments.queue {
        create_pair(&sqs, name)
            .await
            .map_err(|error| format!("queue {name}: {error}"))?;
    }
    match arguments.history {
        Some(Kept::Calls) => sqs.keep_history(),
        Some(Kept::Counts) => sqs.keep_counts(),
        None => {}
    }
    if arguments.faults != FaultPlan::default() {
        sqs.set_faults(arguments.faults);
    }
    if let Some(permissions) = arguments.permissions {
        sqs.set_permissions(permissions);
    }
    let control = match &arguments.control {
        None => None,
        Some(addr) => Some(
            Control::bind(addr, sqs.clone())
                .await
                .map_err(|error| format!("cannot listen on {addr}: {error}"))?,
        ),
    };
    let options = Options {
        latency: arguments.latency,
    };
    let server = Server::bind_with(&arguments.listen, sqs, options)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.listen))?;
    let mut signals = Signals::new().map_err(|error| format!("no signal handler: {error}"))?;
    announce(&server, control.as_ref())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    signals.next().await;
    server.shutdown().await;
    Ok(())
}

fn permissions(file: &str) -> Result<Permissions, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    text.parse()
        .map_err(|error: PermissionsError| error.to_string())
}

/// Makes a queue and its dead-letter queue.
async fn create_pair(sqs: &Sqs, name: &QueueName) -> Result<(), sqs_local::Error> {
    let dead_letter = name.dead_letter()?;
    let arn = format!("arn:aws:sqs:us-east-1:{}:{dead_letter}", Sqs::ACCOUNT);
    let redrive =
        format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{MAX_RECEIVE_COUNT}}}"#);
    let retention = (
        "MessageRetentionPeriod",
        DEAD_LETTER_RETENTION_SECS.to_string(),
    );
    create(sqs, &dead_letter, [retention]).await?;
    let visibility = ("VisibilityTimeout", VISIBILITY_SECS.to_string());
    create(sqs, name, [visibility, ("RedrivePolicy", redrive)]).await
}

async fn create<const N: usize>(
    sqs: &Sqs,
    name: &QueueName,
    attributes: [(&str, String); N],
) -> Result<(), sqs_local::Error> {
    let mut attributes: BTreeMap<String, String> = attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    if name.is_fifo() {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    let request = CreateQueue {
        queue_name: name.to_string(),
        attributes,
        ..CreateQueue::default()
    };
    sqs.create_queue(request).await.map(drop)
}

fn announce(server: &Server, control: Option<&Control>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", server.url())?;
    if let Some(control) = control {
        writeln!(stdout, "control on {}", control.url())?;
    }
    stdout.flush()
}

/// The signals that end the server, caught from the moment this is made.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The signal that ends the server.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _signal = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_comes_with_its_dead_letter_queue() {
        let sqs = Sqs::default();
        for name in ["orders", "orders.fifo"] {
            create_pair(&sqs, &QueueName::parse(name).unwrap())
                .await
                .unwrap();
        }
        let queues = sqs
            .list_queues(Default::default())
            .await
            .unwrap()
            .queue_urls;
        assert_eq!(queues.len(), 4, "{queues:?}");
    }
}
