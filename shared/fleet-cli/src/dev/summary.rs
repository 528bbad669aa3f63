use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fleet::consume::Progress;
use fleet::store::{DeadCount, Outbox as _, PostgresStore};
use serde::Serialize;

use super::feed::Read;
use crate::app::App;
use crate::exit::Exit;
use crate::intake::Tally;
use crate::output;

/// What a drain has done: the input by this run, the results by all runs on this database.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    read: u64,
    placed: u64,
    refused: u64,
    duplicates: u64,
    results: Vec<Tally>,
    dead_lettered: Vec<DeadCount>,
    /// Events that SQS can never take; they wait in the outbox for an operator.
    parked: u64,
    duplicates_absorbed: u64,
    messages: u64,
    seconds: f64,
    messages_per_second: f64,
}

impl Summary {
    /// Asks the database what is there now.
    pub(super) async fn collect(
        app: &App,
        store: &PostgresStore,
        read: Read,
        progress: &[Arc<Progress>],
        took: Duration,
    ) -> Result<Self, Exit> {
        let results = match &app.intake {
            Some(intake) => intake
                .results(store)
                .await
                .context("cannot read the results")?,
            None => Vec::new(),
        };
        let dead_lettered = store
            .count_dead()
            .await
            .context("cannot read the dead letters")?;
        let lanes = store.stats().await.context("cannot read the outbox")?;
        let parked = lanes.iter().map(|lane| lane.parked).sum();
        let looks: Vec<_> = progress
            .iter()
            .map(|progress| progress.snapshot())
            .collect();
        let messages: u64 = looks.iter().map(|look| look.settled).sum();
        let seconds = took.as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate for people, not for accounts"
        )]
        let messages_per_second = messages as f64 / seconds.max(0.001);
        Ok(Self {
            read: read.read,
            placed: read.placed,
            refused: read.refused,
            duplicates: read.duplicates,
            results,
            dead_lettered,
            parked,
            duplicates_absorbed: looks.iter().map(|look| look.duplicates).sum(),
            messages,
            seconds: (seconds * 1000.0).round() / 1000.0,
            messages_per_second: messages_per_second.round(),
        })
    }

    /// Prints it as a table or as JSON.
    ///
    /// # Errors
    ///
    /// Nobody reads stdout any more.
    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        if as_json {
            output::json(self)
        } else {
            output::data(&self.table())
        }
    }

    fn table(&self) -> String {
        let mut rows = Vec::new();
        let mut row = |what: String, count: u64, sum: String| {
            rows.push(vec![what, count.to_string(), sum]);
        };
        for (what, count) in [
            ("read", self.read),
            ("placed", self.placed),
            ("refused at the door", self.refused),
            ("duplicates at the door", self.duplicates),
        ] {
            row(what.to_owned(), count, String::new());
        }
        for tally in &self.results {
            row(
                tally.kind.replace('_', " "),
                tally.count,
                money(tally.total_minor, &tally.currency),
            );
        }
        for dead in &self.dead_lettered {
            row(
                format!("dead-lettered by {}: {}", dead.consumer, dead.reason),
                dead.events,
                String::new(),
            );
        }
        if self.parked > 0 {
            let what = "parked in the outbox".to_owned();
            row(what, self.parked, String::new());
        }
        row(
            "duplicates absorbed".to_owned(),
            self.duplicates_absorbed,
            String::new(),
        );
        row("messages settled".to_owned(), self.messages, String::new());
        let table = output::table(&["WHAT", "COUNT", "SUM (MINOR UNITS)"], rows);
        format!(
            "{table}\n{:.1} s, {} messages a second\n",
            self.seconds, self.messages_per_second
        )
    }
}

/// Writes a sum in minor units with separators, so that a person can compare it.
fn money(minor: i128, currency: &str) -> String {
    let digits = minor.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let sign = if minor < 0 { "-" } else { "" };
    format!("{currency} {sign}{grouped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_grouped_by_thousands() {
        assert_eq!(money(1_234_567, "GBP"), "GBP 1 234 567");
        assert_eq!(money(-12, "JPY"), "JPY -12");
        assert_eq!(money(0, "EUR"), "EUR 0");
    }
}
