use std::collections::BTreeMap;

use anyhow::Context as _;
use fleet::store::PostgresStore;

use super::tally::{Deed, change, select};
use crate::cli::outbox::Discard;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::{self, counted};
use crate::prompt::{Consent, confirm_by_typing};

/// Gives parked rows up, once that was confirmed.
pub(super) async fn discard(store: &PostgresStore, args: &Discard, who: &str) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let ids = select(store, &args.rows).await?;
    if !ids.is_empty() {
        show_plan(store, args, &ids).await?;
        let question = "What is discarded is never sent, and cannot be brought back.";
        let word = format!("discard {}", ids.len());
        let consent = Consent::of_flag(&args.yes);
        confirm_by_typing(consent, question, &word, &interrupt).await?;
    }
    let discard = async |ids: &[i64]| store.discard_parked(ids, who, &args.reason).await;
    change(Deed::Discard, &ids, discard).await
}

/// Says what is meant: how many rows, to whom, and why they are parked.
async fn show_plan(store: &PostgresStore, args: &Discard, ids: &[i64]) -> Result<(), Exit> {
    let rows = store.unsent(&args.rows.filter(), ids.len()).await;
    let rows = rows.context("the outbox cannot be listed")?;
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in rows {
        let reason = row.parked_reason.unwrap_or_default();
        *counts.entry((row.destination, reason)).or_default() += 1;
    }
    let parked: u64 = counts.values().sum();
    for ((destination, reason), count) in counts {
        let line = format!(
            "{} to {destination}: {reason}",
            counted(count, "parked row")
        );
        output::note(&output::escape(line));
    }
    let others = (ids.len() as u64).saturating_sub(parked);
    if others > 0 {
        let line = format!("{} not parked", counted(others, "row"));
        output::note(&line);
    }
    Ok(())
}
