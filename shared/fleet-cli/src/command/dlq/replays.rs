use anyhow::Context as _;
use fleet::queue::{Sqs, name_of};
use fleet::service::config::Env;
use fleet::store::Replay;
use jiff::Timestamp;
use serde::Serialize;

use super::target::Target;
use crate::app::App;
use crate::cli::replay::Replays;
use crate::exit::Exit;
use crate::{database, output, settings};

/// One replay, as the journal tells of it.
#[derive(Serialize)]
struct Row {
    id: i64,
    kind: &'static str,
    state: &'static str,
    queue: String,
    destination: String,
    consumer: Option<String>,
    who: String,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    filter: serde_json::Value,
    rate: Option<f64>,
    max: Option<u64>,
    replayed: u64,
    copies: u64,
    deleted: u64,
    planned: u64,
    sent: u64,
    moved: Option<u64>,
    stopped_reason: Option<String>,
}

/// Lists replays, the latest first.
pub(super) async fn replays(app: &App, args: &Replays, env: &dyn Env) -> Result<(), Exit> {
    let store = database::beside_work(&settings::database(env)?)?;
    database::check_runtime(&store, app).await?;
    let queue = match &args.queue {
        Some(named) => Some(queue_name(app, env, named).await?),
        None => None,
    };
    let replays = store.replays(queue.as_deref(), args.last).await;
    let replays = replays.context("the journal cannot be read")?;
    let rows: Vec<Row> = replays.into_iter().map(row).collect();
    match args.json {
        true => output::json(&rows),
        false if rows.is_empty() => {
            output::note("nothing was ever replayed");
            Ok(())
        }
        false => output::data(&table(&rows)),
    }
    .context("cannot write")?;
    Ok(())
}

/// Names the dead-letter queue that is meant; only for a consumer SQS has to be asked.
async fn queue_name(app: &App, env: &dyn Env, named: &str) -> Result<String, Exit> {
    if named.contains("://") {
        return Ok(name_of(named).to_owned());
    }
    if app.consumers.iter().all(|one| one.name() != named) {
        return Ok(named.to_owned());
    }
    let sqs = Sqs::connect().await;
    Ok(Target::find(app, env, &sqs, named).await?.name)
}

fn row(replay: Replay) -> Row {
    Row {
        id: replay.id,
        kind: replay.kind.as_str(),
        state: replay.state.as_str(),
        queue: replay.queue,
        destination: replay.destination,
        consumer: replay.consumer,
        who: replay.who,
        started_at: replay.started_at,
        ended_at: replay.ended_at,
        last_at: replay.last_at,
        filter: serde_json::from_str(&replay.filter).unwrap_or_default(),
        rate: replay.rate,
        max: replay.messages_max,
        replayed: replay.counts.replayed(),
        copies: replay.counts.copies,
        deleted: replay.counts.deleted,
        planned: replay.counts.planned,
        sent: replay.counts.sent,
        moved: replay.moved,
        stopped_reason: replay.stopped_reason,
    }
}

fn table(rows: &[Row]) -> String {
    let headings = [
        "REPLAY", "KIND", "STATE", "FROM", "TO", "WHO", "SINCE", "REPLAYED", "OPEN", "STOPPED",
    ];
    let cells = rows.iter().map(|row| {
        vec![
            row.id.to_string(),
            row.kind.to_owned(),
            row.state.to_owned(),
            row.queue.clone(),
            row.destination.clone(),
            row.who.clone(),
            format!("{:.0}", row.started_at),
            row.moved.unwrap_or(row.replayed).to_string(),
            (row.planned + row.sent).to_string(),
            row.stopped_reason.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    output::table(&headings, cells.collect())
}
