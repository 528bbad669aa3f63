use std::time::Duration;

use anyhow::{Context as _, anyhow};
use fleet::queue::{ClientOptions, Queue as _, QueueError, Sqs};
use fleet::service::config::{ConsumerConfig, DatabaseConfig, Env};
use fleet::store::{ConsumerStanding, Pause, Process};
use jiff::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::cli::Reading;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{database, output, settings};

/// How lately a process has to have shown itself to be counted: it does so every four seconds.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// One queue and its dead-letter queue, at this moment.
#[derive(Serialize)]
struct Row {
    consumer: String,
    queue: String,
    backlog: u64,
    in_flight: u64,
    delayed: u64,
    dead_letter_queue: Option<String>,
    /// Visible and in flight, so that looking into it does not lower it.
    dead_letters: Option<u64>,
    visibility_timeout_secs: u64,
    retention_secs: u64,
    max_receive_count: Option<u32>,
    concurrency: usize,
    max_attempts: u32,
    handler_timeout_secs: f64,
    receive_wait_secs: f64,
    /// How many processes serve it; unknown without a database.
    processes: Option<usize>,
    /// Whether it is paused; unknown without a database.
    paused: Option<bool>,
    pause: Option<PauseRow>,
}

/// Who paused a consumer, and why.
#[derive(Serialize)]
struct PauseRow {
    by: String,
    since: Timestamp,
    reason: String,
    until: Option<Timestamp>,
}

/// What the database knows of the consumers.
struct Crew {
    processes: Vec<(Process, Vec<ConsumerStanding>)>,
    pauses: Vec<Pause>,
}

/// Shows a row a queue; one that cannot be asked is named, and the others are shown.
pub(crate) fn queues(app: &App, args: &Reading, env: &dyn Env) -> Result<(), Exit> {
    let consumers = settings::consumers(env, &app.consumers)?;
    let database = settings::database_if_named(env)?;
    let (rows, errors) = runtime()?.block_on(async {
        let sqs = Sqs::connect().await;
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        for consumer in &consumers {
            match ask(&sqs, consumer, &mut errors).await {
                Ok(row) => rows.push(row),
                Err(error) => errors.push(trouble(consumer.queue_url.name(), error)),
            }
        }
        if let Some(database) = database {
            match muster(&database, &consumers).await {
                Ok(crew) => rows.iter_mut().for_each(|row| crew.complete(row)),
                Err(error) => errors.push(format!("processes and pauses: {error:#}")),
            }
        }
        (rows, errors)
    });
    match args.json {
        true => output::json(&rows),
        false if rows.is_empty() => Ok(()),
        false => output::data(&table(&rows)),
    }
    .context("cannot write")?;
    for error in &errors {
        output::note(&output::escape(error.clone()));
    }
    match (rows.is_empty(), errors.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => Err(anyhow!("no queue could be asked").into()),
        (false, false) => Err(Exit::Partly(anyhow!("not everything could be asked"))),
    }
}

fn trouble(queue: &str, error: QueueError) -> String {
    format!("queue {queue}: {:#}", anyhow::Error::new(error))
}

/// Asks the database who serves the consumers and what is paused.
async fn muster(database: &DatabaseConfig, consumers: &[ConsumerConfig]) -> anyhow::Result<Crew> {
    let store = database::beside_work(database).map_err(Exit::into_error)?;
    let names: Vec<_> = consumers
        .iter()
        .map(|consumer| consumer.name.as_str())
        .collect();
    Ok(Crew {
        processes: store.processes(SEEN_WITHIN).await?,
        pauses: store.pauses(&names, &[]).await?,
    })
}

impl Crew {
    fn complete(&self, row: &mut Row) {
        let serves = |(_, consumers): &&(Process, Vec<ConsumerStanding>)| {
            consumers.iter().any(|one| one.name == row.consumer)
        };
        let processes = self.processes.iter().filter(serves).count();
        let pause = self
            .pauses
            .iter()
            .find(|pause| pause.consumer == row.consumer);
        row.processes = Some(processes);
        row.paused = Some(pause.is_some());
        row.pause = pause.map(|pause| PauseRow {
            by: pause.paused_by.clone(),
            since: pause.paused_at,
            reason: pause.reason.clone(),
            until: pause.until,
        });
    }
}

/// Asks for a queue; a dead-letter queue that cannot be asked goes to the errors.
async fn ask(
    sqs: &Sqs,
    consumer: &ConsumerConfig,
    errors: &mut Vec<String>,
) -> Result<Row, QueueError> {
    let url = consumer.queue_url.as_str();
    let queue = sqs.queue(url, ClientOptions::calling());
    let attributes = queue.attributes().await?;
    let mut dead_letters = None;
    if let Some(name) = &attributes.dead_letter_queue {
        match depth(sqs, name).await {
            Ok(depth) => dead_letters = Some(depth),
            Err(error) => errors.push(trouble(name, error)),
        }
    }
    Ok(Row {
        consumer: consumer.name.clone(),
        queue: queue.name().to_owned(),
        backlog: attributes.visible,
        in_flight: attributes.in_flight,
        delayed: attributes.delayed,
        dead_letters,
        visibility_timeout_secs: attributes.visibility_timeout.as_secs(),
        retention_secs: attributes.retention.as_secs(),
        max_receive_count: attributes.max_receive_count,
        dead_letter_queue: attributes.dead_letter_queue,
        concurrency: consumer.concurrency,
        max_attempts: consumer.max_attempts,
        handler_timeout_secs: consumer.handler_timeout.as_secs_f64(),
        receive_wait_secs: consumer.receive_wait.as_secs_f64(),
        processes: None,
        paused: None,
        pause: None,
    })
}

/// Counts what a dead-letter queue holds.
async fn depth(sqs: &Sqs, name: &str) -> Result<u64, QueueError> {
    let url = sqs.url_of(name).await?;
    let queue = sqs.queue(&url, ClientOptions::calling());
    let counts = queue.attributes().await?;
    Ok(counts.visible + counts.in_flight)
}

fn table(rows: &[Row]) -> String {
    const HEADINGS: [&str; 14] = [
        "CONSUMER",
        "QUEUE",
        "BACKLOG",
        "IN FLIGHT",
        "DELAYED",
        "DEAD",
        "VISIBILITY",
        "RETENTION",
        "MAX RECEIVES",
        "CONCURRENCY",
        "ATTEMPTS",
        "TIMEOUT",
        "PROCESSES",
        "PAUSED",
    ];
    let dash = || "-".to_owned();
    let cells = rows.iter().map(|row| {
        vec![
            row.consumer.clone(),
            row.queue.clone(),
            row.backlog.to_string(),
            row.in_flight.to_string(),
            row.delayed.to_string(),
            row.dead_letters
                .map_or_else(dash, |depth| depth.to_string()),
            format!("{} s", row.visibility_timeout_secs),
            format!("{} d", row.retention_secs / 86_400),
            row.max_receive_count
                .map_or_else(dash, |count| count.to_string()),
            row.concurrency.to_string(),
            row.max_attempts.to_string(),
            format!("{} s", row.handler_timeout_secs),
            row.processes.map_or_else(dash, |count| count.to_string()),
            match row.paused {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => dash(),
            },
        ]
    });
    output::table(&HEADINGS, cells.collect())
}
