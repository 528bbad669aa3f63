use anyhow::{Context as _, anyhow};
use fleet::queue::Sqs;
use fleet::service::config::{ConsumerConfig, DatabaseConfig, Env};
use futures_util::future::join_all;
use serde::Serialize;

use crate::app::App;
use crate::cli::Queues;
use crate::exit::Exit;
use crate::host::runtime;
use crate::muster::{Muster, PauseState};
use crate::survey::{QueueState, Surveyor};
use crate::{database, output, settings};

/// One queue with what the database knows of its consumer.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    queue: QueueState,
    /// About how old the oldest message is that waits; unknown when no process measures it.
    oldest_age_secs: Option<u64>,
    /// How many processes serve it; unknown without a database.
    processes: Option<usize>,
    /// Whether it is paused; unknown without a database.
    paused: Option<bool>,
    pause: Option<PauseState>,
}

/// Shows a row a queue; one that cannot be asked is named, and the others are shown.
pub(crate) fn queues(app: &App, args: &Queues, env: &dyn Env) -> Result<(), Exit> {
    let consumers = settings::consumers(env, &app.consumers)?;
    let database = settings::database_if_named(env)?;
    let (rows, errors) = runtime()?.block_on(look(&consumers, database.as_ref()));
    match (args.json, args.wide) {
        (true, _) => output::json(&rows),
        _ if rows.is_empty() => Ok(()),
        (false, true) => output::data(&wide(&rows)),
        (false, false) => output::data(&table(&rows)),
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

/// Asks SQS and, where one is named, the database; what could not be asked is told beside the rows.
async fn look(
    consumers: &[ConsumerConfig],
    database: Option<&DatabaseConfig>,
) -> (Vec<Row>, Vec<String>) {
    let sqs = Sqs::connect().await;
    let asked = join_all(consumers.iter().map(async |consumer| {
        let mut surveyor = Surveyor::new(&sqs, consumer);
        surveyor.ask().await
    }));
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for answer in asked.await {
        match answer {
            Ok((queue, wrong)) => {
                rows.push(Row::of(queue));
                errors.extend(wrong);
            }
            Err(wrong) => errors.push(wrong),
        }
    }
    if let Some(database) = database {
        match muster(database, consumers).await {
            Ok(muster) => rows.iter_mut().for_each(|row| row.complete(&muster)),
            Err(error) => errors.push(format!("processes and pauses: {error:#}")),
        }
    }
    (rows, errors)
}

async fn muster(database: &DatabaseConfig, consumers: &[ConsumerConfig]) -> anyhow::Result<Muster> {
    let store = database::beside_work(database).map_err(Exit::into_error)?;
    let names: Vec<_> = consumers.iter().map(|one| one.name.as_str()).collect();
    Ok(Muster::call(&store, &names).await?)
}

impl Row {
    fn of(queue: QueueState) -> Self {
        Self {
            queue,
            oldest_age_secs: None,
            processes: None,
            paused: None,
            pause: None,
        }
    }

    fn complete(&mut self, muster: &Muster) {
        let lag = muster.lag(&self.queue.queue);
        self.oldest_age_secs = lag.map(|lag| lag.as_secs());
        self.processes = Some(muster.serving(&self.queue.consumer).len());
        self.pause = muster.pause(&self.queue.consumer);
        self.paused = Some(self.pause.is_some());
    }
}

/// Lays out what changes by itself, for 120 columns.
fn table(rows: &[Row]) -> String {
    const HEADINGS: [&str; 9] = [
        "CONSUMER",
        "QUEUE",
        "BACKLOG",
        "IN FLIGHT",
        "DELAYED",
        "OLDEST",
        "DEAD",
        "PROCESSES",
        "PAUSED",
    ];
    output::table(&HEADINGS, rows.iter().map(changing).collect())
}

/// Lays out everything, the settings included.
fn wide(rows: &[Row]) -> String {
    const HEADINGS: [&str; 15] = [
        "CONSUMER",
        "QUEUE",
        "BACKLOG",
        "IN FLIGHT",
        "DELAYED",
        "OLDEST",
        "DEAD",
        "PROCESSES",
        "CONCURRENCY",
        "ATTEMPTS",
        "TIMEOUT",
        "VISIBILITY",
        "RETENTION",
        "MAX RECEIVES",
        "PAUSED",
    ];
    let cells = rows.iter().map(|row| {
        let mut cells = changing(row);
        // A reason can be long: it stays the last.
        let paused = cells.len() - 1;
        cells.splice(paused..paused, of_settings(&row.queue));
        cells
    });
    output::table(&HEADINGS, cells.collect())
}

fn changing(row: &Row) -> Vec<String> {
    let queue = &row.queue;
    vec![
        queue.consumer.clone(),
        queue.queue.clone(),
        queue.backlog.to_string(),
        queue.in_flight.to_string(),
        queue.delayed.to_string(),
        or_dash(row.oldest_age_secs.map(output::age)),
        or_dash(queue.dead_letters),
        or_dash(row.processes),
        match (&row.pause, row.paused) {
            (Some(pause), _) => format!("by {}: {}", pause.by, pause.reason),
            (None, Some(_)) => "no".to_owned(),
            (None, None) => "-".to_owned(),
        },
    ]
}

fn of_settings(queue: &QueueState) -> [String; 6] {
    [
        queue.concurrency.to_string(),
        queue.max_attempts.to_string(),
        format!("{} s", queue.handler_timeout_secs),
        format!("{} s", queue.visibility_timeout_secs),
        format!("{} d", queue.retention_secs / 86_400),
        or_dash(queue.max_receive_count),
    ]
}

fn or_dash(known: Option<impl ToString>) -> String {
    known.map_or_else(|| "-".to_owned(), |known| known.to_string())
}
