use anyhow::Context as _;
use fleet::dead_letter::Death;
use fleet::queue::Sqs;
use fleet::service::config::Env;
use jiff::Timestamp;
use serde::Serialize;

use super::copies::{Copies, Events};
use super::look::{conclude, look};
use super::target::Target;
use super::words::{shortened, until};
use crate::app::App;
use crate::cli::dlq::List;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// How many characters of a reason a row shows that is not wide.
const REASON_CHARS_MAX: usize = 60;

/// One event that is dead.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    death: Death,
    expires_at: Timestamp,
    /// How often it is in the queue.
    copies: u64,
    /// The ids of all copies.
    message_ids: Vec<String>,
}

/// Lists what is in a dead-letter queue, a row an event.
pub(super) async fn ls(app: &App, args: &List, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let look_args = &args.look;
    let target = Target::find(app, env, &sqs, &look_args.queue.name).await?;
    let now = Timestamp::now();
    let filter = look_args.filter.filter(now);
    let mut events = Events::default();
    let see = |death, _| events.add(death);
    let limit = look_args.scan.scan;
    let looked = look(&target, &sqs, &filter, limit, &interrupt, see).await?;
    let retention = target.attributes.retention;
    let row = |copies: Copies| Row {
        expires_at: copies.latest.expires_at(retention),
        copies: copies.count(),
        message_ids: copies.message_ids,
        death: copies.latest,
    };
    let rows: Vec<_> = events.in_order().into_iter().map(row).collect();
    match (look_args.json, rows.is_empty()) {
        (true, _) => output::json(&rows),
        (false, true) => Ok(()),
        (false, false) if args.wide => output::data(&wide_table(&rows, now)),
        (false, false) => output::data(&table(&rows, now)),
    }
    .context("cannot write")?;
    conclude(&target, &looked, &interrupt)
}

/// A heading, and what stands below it.
type Column<'a> = (&'a str, Box<dyn Fn(&Row) -> String + 'a>);

fn usual<'a>(now: Timestamp) -> Vec<Column<'a>> {
    vec![
        ("ID", Box::new(|row| row.death.key.id.clone())),
        (
            "TYPE",
            Box::new(|row| or_dash(row.death.event_type.as_ref())),
        ),
        (
            "REASON",
            Box::new(|row| shortened(&row.death.reason, REASON_CHARS_MAX)),
        ),
        (
            "ATTEMPTS",
            Box::new(|row| or_dash(row.death.attempts.as_ref())),
        ),
        ("SENT", Box::new(|row| seconds(row.death.first_sent_at))),
        (
            "DEAD",
            Box::new(|row| row.death.failed_at.map_or_else(dash, seconds)),
        ),
        (
            "EXPIRES IN",
            Box::new(move |row| until(row.expires_at, now)),
        ),
        ("COPIES", Box::new(|row| row.copies.to_string())),
        (
            "TRACE",
            Box::new(|row| or_dash(row.death.trace_id.as_ref())),
        ),
    ]
}

fn table(rows: &[Row], now: Timestamp) -> String {
    laid_out(&usual(now), rows)
}

fn wide_table(rows: &[Row], now: Timestamp) -> String {
    let mut columns = usual(now);
    columns[2].1 = Box::new(|row| row.death.reason.clone());
    let further: [Column<'_>; 10] = [
        ("CLASS", Box::new(|row| row.death.class.as_str().to_owned())),
        (
            "FINGERPRINT",
            Box::new(|row| row.death.fingerprint.to_string()),
        ),
        (
            "HANDLER",
            Box::new(|row| or_dash(row.death.consumer.as_ref())),
        ),
        ("QUEUE", Box::new(|row| row.death.queue.clone())),
        ("BUILD", Box::new(|row| or_dash(row.death.version.as_ref()))),
        ("SOURCE", Box::new(|row| row.death.key.source.clone())),
        (
            "GROUP",
            Box::new(|row| or_dash(row.death.group_id.as_ref())),
        ),
        ("BYTES", Box::new(|row| row.death.size_bytes.to_string())),
        ("REPLAYED", Box::new(|row| row.death.replay_no.to_string())),
        ("MESSAGE", Box::new(|row| row.message_ids.join(" "))),
    ];
    columns.extend(further);
    laid_out(&columns, rows)
}

fn laid_out(columns: &[Column<'_>], rows: &[Row]) -> String {
    let headings: Vec<_> = columns.iter().map(|(heading, _)| *heading).collect();
    let cells = rows
        .iter()
        .map(|row| columns.iter().map(|(_, cell)| cell(row)).collect());
    output::table(&headings, cells.collect())
}

fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn or_dash(cell: Option<&impl ToString>) -> String {
    cell.map_or_else(dash, ToString::to_string)
}

fn dash() -> String {
    "-".to_owned()
}
