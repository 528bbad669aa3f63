use anyhow::{Context as _, anyhow};
use fleet::store::{PostgresStore, StoreError, Unparking};

use crate::cli::outbox::Rows;
use crate::exit::Exit;
use crate::output::{self, counted};

/// The most rows of one run: their numbers are held in memory, and a second run takes the rest.
const ROWS_MAX: usize = 100_000;

/// How many rows one statement changes: a fraction of a second, for which they are locked.
const CHUNK: usize = 500;

/// What became of the rows of one run.
#[derive(Default)]
pub(super) struct Tally {
    changed: u64,
    /// What was in the wished state before.
    settled: Vec<String>,
    /// What is in another, which stays.
    refused: Vec<String>,
    /// What somebody else holds at this moment.
    held: u64,
}

/// The wish: how a change is called that is done, and that would be.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Retry,
    Discard,
}

impl Deed {
    fn done(self) -> &'static str {
        match self {
            Self::Retry => "can be sent again",
            Self::Discard => "discarded",
        }
    }
}

/// Returns the numbers of the rows that are meant, each once.
pub(super) async fn select(store: &PostgresStore, rows: &Rows) -> Result<Vec<i64>, Exit> {
    if !rows.ids.is_empty() {
        let mut ids = rows.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        return Ok(ids);
    }
    let found = store.unsent(&rows.filter(), ROWS_MAX + 1).await;
    let mut ids: Vec<i64> = found
        .context("the outbox cannot be listed")?
        .iter()
        .map(|row| row.id)
        .collect();
    if ids.len() > ROWS_MAX {
        output::note(&format!(
            "these are the oldest {ROWS_MAX} rows; a second run takes more"
        ));
        ids.truncate(ROWS_MAX);
    }
    Ok(ids)
}

/// Changes rows chunk by chunk, says what came of it, and makes the exit code of it.
pub(super) async fn change(
    deed: Deed,
    ids: &[i64],
    statement: impl AsyncFn(&[i64]) -> Result<Vec<(i64, Unparking)>, StoreError>,
) -> Result<(), Exit> {
    let mut tally = Tally::default();
    for chunk in ids.chunks(CHUNK) {
        match statement(chunk).await {
            Ok(outcomes) => outcomes
                .into_iter()
                .for_each(|(id, outcome)| tally.add(deed, id, outcome)),
            Err(error) => return Err(tally.failed(deed, error)),
        }
    }
    tally.conclude(deed)
}

impl Tally {
    fn add(&mut self, deed: Deed, id: i64, outcome: Unparking) {
        let other = match (deed, outcome) {
            (_, Unparking::Changed) => {
                self.changed += 1;
                return;
            }
            (_, Unparking::Held) => {
                self.held += 1;
                "is held by a relay or another operator at this moment; try again".to_owned()
            }
            (Deed::Retry, Unparking::Retried(at, who)) => {
                let text = format!("row {id} was made sendable at {at:.0} by {who}");
                return self.settled.push(text);
            }
            (Deed::Discard, Unparking::Discarded(at, who)) => {
                let text = format!("row {id} was discarded at {at:.0} by {who}");
                return self.settled.push(text);
            }
            (Deed::Retry, Unparking::Discarded(at, who)) => {
                format!("was discarded at {at:.0} by {who}")
            }
            (Deed::Discard, Unparking::Retried(at, who)) => {
                format!("is not parked: it was made sendable at {at:.0} by {who}")
            }
            (_, Unparking::Waiting) => "is not parked: it waits to be sent".to_owned(),
            (_, Unparking::Sent(at)) => format!("is not parked: it was sent at {at:.0}"),
            (_, Unparking::Unknown) => {
                "is not there; rows are pruned 7 days after they were sent or discarded".to_owned()
            }
        };
        self.refused.push(format!("row {id} {other}"));
    }

    fn say(&self, deed: Deed) {
        for line in self.settled.iter().chain(&self.refused) {
            output::note(&output::escape(line.clone()));
        }
        match self.changed {
            0 if self.refused.is_empty() => output::note("nothing to do"),
            0 => {}
            changed => output::note(&format!("{} {}", counted(changed, "row"), deed.done())),
        }
    }

    fn conclude(self, deed: Deed) -> Result<(), Exit> {
        self.say(deed);
        let refused = self.refused.len() as u64;
        let why = anyhow!("{} not changed", counted(refused, "row"));
        let is_partly = self.changed > 0 || !self.settled.is_empty();
        match (refused, is_partly) {
            (0, _) => Ok(()),
            (_, true) => Err(Exit::Partly(why)),
            // What somebody holds may work the next time, unlike the rest.
            (_, false) if self.held == refused => Err(Exit::Failed(why)),
            (_, false) => Err(Exit::Refused(why)),
        }
    }

    fn failed(self, deed: Deed, error: StoreError) -> Exit {
        let error = anyhow::Error::new(error).context("the outbox cannot be changed");
        match self.changed {
            0 => Exit::Failed(error),
            _ => {
                self.say(deed);
                Exit::Partly(error)
            }
        }
    }
}
