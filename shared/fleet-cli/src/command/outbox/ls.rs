use anyhow::Context as _;
use fleet::store::{PostgresStore, Unsent, UnsentState};

use crate::cli::outbox::Ls;
use crate::exit::Exit;
use crate::output;

/// Lists rows that wait or are parked.
pub(super) async fn ls(store: &PostgresStore, args: &Ls) -> Result<(), Exit> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // One more than wanted tells that there are more.
    let rows = store.unsent(&args.filter(), limit.saturating_add(1)).await;
    let mut rows = rows.context("the outbox cannot be listed")?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    match args.json {
        true => output::json(&rows),
        false if rows.is_empty() => {
            output::note("there are no such rows");
            Ok(())
        }
        false => output::data(&table(rows)),
    }
    .context("cannot write")?;
    if has_more {
        output::note(&format!(
            "there are more than these {limit}; --limit shows more"
        ));
    }
    Ok(())
}

fn table(rows: Vec<Unsent>) -> String {
    const HEADINGS: [&str; 8] = [
        "ID",
        "DESTINATION",
        "EVENT",
        "TYPE",
        "ORDERING KEY",
        "ENQUEUED",
        "STATE",
        "REASON",
    ];
    let dash = || "-".to_owned();
    let cells = rows.into_iter().map(|row| {
        vec![
            row.id.to_string(),
            row.destination,
            row.event_id,
            row.event_type,
            row.ordering_key.unwrap_or_else(dash),
            format!("{:.0}", row.created_at),
            match row.state {
                UnsentState::Waiting => "waiting".to_owned(),
                UnsentState::Parked => "parked".to_owned(),
            },
            row.parked_reason.unwrap_or_else(dash),
        ]
    });
    output::table(&HEADINGS, cells.collect())
}
