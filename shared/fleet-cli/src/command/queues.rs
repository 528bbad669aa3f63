use anyhow::{Context as _, anyhow};
use fleet::queue::{ClientOptions, Queue as _, QueueError, Sqs};
use fleet::service::config::{ConsumerConfig, Env};
use serde::Serialize;

use crate::app::App;
use crate::cli::Reading;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{output, settings};

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
}

/// Shows a row a queue; one that cannot be asked is named, and the others are shown.
pub(crate) fn queues(app: &App, args: &Reading, env: &dyn Env) -> Result<(), Exit> {
    let consumers = settings::consumers(env, &app.consumers)?;
    let (rows, errors) = runtime()?.block_on(async {
        let sqs = Sqs::connect().await;
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        for consumer in &consumers {
            match ask(&sqs, consumer, &mut errors).await {
                Ok(row) => rows.push(row),
                Err(error) => errors.push((consumer.queue_url.name().to_owned(), error.into())),
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
    for (queue, error) in &errors {
        output::note(&output::escape(format!("queue {queue}: {error:#}")));
    }
    match (rows.is_empty(), errors.is_empty()) {
        (_, true) => Ok(()),
        (true, false) => Err(anyhow!("no queue could be asked").into()),
        (false, false) => Err(Exit::Partly(anyhow!("some queues could not be asked"))),
    }
}

/// Asks for a queue; a dead-letter queue that cannot be asked goes to the errors.
async fn ask(
    sqs: &Sqs,
    consumer: &ConsumerConfig,
    errors: &mut Vec<(String, anyhow::Error)>,
) -> Result<Row, QueueError> {
    let url = consumer.queue_url.as_str();
    let queue = sqs.queue(url, ClientOptions::calling());
    let attributes = queue.attributes().await?;
    let mut dead_letters = None;
    if let Some(name) = &attributes.dead_letter_queue {
        match depth(sqs, name).await {
            Ok(depth) => dead_letters = Some(depth),
            Err(error) => errors.push((name.clone(), error.into())),
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
    const HEADINGS: [&str; 12] = [
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
        ]
    });
    output::table(&HEADINGS, cells.collect())
}
