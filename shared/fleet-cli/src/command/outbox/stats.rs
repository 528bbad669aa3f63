use anyhow::Context as _;
use fleet::store::{Outbox as _, OutboxStats, PostgresStore};
use jiff::SignedDuration;
use serde::Serialize;

use crate::cli::Reading;
use crate::exit::Exit;
use crate::output;

/// What did not get to one destination so far.
#[derive(Serialize)]
struct Row {
    destination: String,
    waiting: u64,
    parked: u64,
    /// How long the oldest of the waiting ones has waited.
    oldest_age_secs: f64,
}

/// Counts what waits and what is parked.
pub(super) async fn stats(store: &PostgresStore, args: &Reading) -> Result<(), Exit> {
    let stats = store
        .stats()
        .await
        .context("the outbox cannot be counted")?;
    let rows: Vec<Row> = stats.into_iter().map(row_of).collect();
    match args.json {
        true => output::json(&rows),
        false if rows.is_empty() => {
            output::note("nothing waits, and nothing is parked");
            Ok(())
        }
        false => output::data(&table(&rows)),
    }
    .context("cannot write")?;
    Ok(())
}

fn row_of(stats: OutboxStats) -> Row {
    Row {
        destination: stats.destination,
        waiting: stats.pending,
        parked: stats.parked,
        oldest_age_secs: stats.oldest_age.as_secs_f64(),
    }
}

fn table(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let age = SignedDuration::try_from_secs_f64(row.oldest_age_secs.floor());
        let age = match row.waiting {
            0 => "-".to_owned(),
            _ => format!("{:#}", age.unwrap_or_default()),
        };
        vec![
            row.destination.clone(),
            row.waiting.to_string(),
            row.parked.to_string(),
            age,
        ]
    });
    output::table(
        &["DESTINATION", "WAITING", "PARKED", "OLDEST WAITING"],
        cells.collect(),
    )
}
