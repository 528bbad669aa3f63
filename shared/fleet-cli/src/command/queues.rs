use anyhow::Context as _;
use fleet::queue::{ClientOptions, Queue as _, QueueError, Sqs};
use fleet::service::config::{Env, QueueUrl};
use serde::Serialize;

use crate::app::App;
use crate::cli::Reading;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{output, settings};

/// One queue and its dead-letter queue, at this moment.
#[derive(Serialize)]
struct Row {
    consumer: &'static str,
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
}

/// Shows a row a queue; one that cannot be asked is named, and the others are shown.
pub(crate) fn queues(app: &App, args: &Reading, env: &dyn Env) -> Result<(), Exit> {
    let urls = settings::queue_urls(env, &app.consumers)?;
    let (rows, errors) = runtime()?.block_on(async {
        let sqs = Sqs::connect().await;
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        for (consumer, url) in app.consumers.iter().zip(&urls) {
            match ask(&sqs, consumer.name(), url).await {
                Ok(row) => rows.push(row),
                Err(error) => errors.push((url.name().to_owned(), error)),
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
        output::note(&format!("{queue}: {error}"));
    }
    match (rows.is_empty(), errors.into_iter().next()) {
        (_, None) => Ok(()),
        (true, Some((queue, error))) => Err(anyhow::Error::new(error)
            .context(format!("no queue could be asked, first {queue}"))
            .into()),
        (false, Some(_)) => Err(Exit::Partly(anyhow::anyhow!(
            "some queues could not be asked"
        ))),
    }
}

async fn ask(sqs: &Sqs, consumer: &'static str, url: &QueueUrl) -> Result<Row, QueueError> {
    let queue = sqs.queue(url.as_str(), ClientOptions::calling());
    let attributes = queue.attributes().await?;
    let dead_letters = match &attributes.dead_letter_queue {
        None => None,
        Some(name) => {
            let url = sqs.url_of(name).await?;
            let dead = sqs
                .queue(&url, ClientOptions::calling())
                .attributes()
                .await?;
            Some(dead.visible + dead.in_flight)
        }
    };
    Ok(Row {
        consumer,
        queue: queue.name().to_owned(),
        backlog: attributes.visible,
        in_flight: attributes.in_flight,
        delayed: attributes.delayed,
        dead_letters,
        visibility_timeout_secs: attributes.visibility_timeout.as_secs(),
        retention_secs: attributes.retention.as_secs(),
        max_receive_count: attributes.max_receive_count,
        dead_letter_queue: attributes.dead_letter_queue,
    })
}

fn table(rows: &[Row]) -> String {
    const HEADINGS: [&str; 9] = [
        "CONSUMER",
        "QUEUE",
        "BACKLOG",
        "IN FLIGHT",
        "DELAYED",
        "DEAD",
        "VISIBILITY",
        "RETENTION",
        "MAX RECEIVES",
    ];
    let dash = || "-".to_owned();
    let cells = rows.iter().map(|row| {
        vec![
            row.consumer.to_owned(),
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
        ]
    });
    output::table(&HEADINGS, cells.collect())
}
