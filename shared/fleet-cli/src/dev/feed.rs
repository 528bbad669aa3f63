use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fleet::consume::Progress;
use fleet::queue::{ClientOptions, Queue as _, SqsQueue};
use fleet::service::config::ConsumerConfig;
use fleet::service::retry::{Backoff, Jitter};
use fleet::store::{Outbox as _, PostgresStore, StoreError, StoreErrorClass};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::crew::Site;
use crate::exit::Exit;
use crate::intake::{Intake, Placement};
use crate::lines::{LineError, Lines};
use crate::output;
use crate::progress::Bar;

/// Lines that are placed in one transaction.
const CHUNK: usize = 100;

/// Lines that were read and wait for their transaction; each may be 1 MiB.
const LINES_WAITING: usize = 100;

/// How often the outbox is asked what is still open.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// How often progress is told where there is no terminal.
const TELL_PERIOD: Duration = Duration::from_secs(5);

/// The ceilings of the pauses while the database is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// What became of the input at the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) read: u64,
    pub(super) placed: u64,
    pub(super) refused: u64,
    pub(super) duplicates: u64,
}

/// Places the input and watches it being worked off.
pub(super) struct Feed<'a> {
    store: &'a PostgresStore,
    jitter: &'a Jitter,
    progress: &'a [Arc<Progress>],
    queues: Vec<SqsQueue>,
    bar: Bar,
    /// When progress was told last where there is no terminal.
    told: Cell<Instant>,
}

/// A line of the input with its number, or why there is none.
type Numbered = (u64, Result<String, LineError>);

/// Reads on a thread of its own: a person may be typing.
fn read_aside(lines: Lines) -> mpsc::Receiver<Numbered> {
    let (sender, receiver) = mpsc::channel(LINES_WAITING);
    std::thread::spawn(move || {
        for line in lines {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl<'a> Feed<'a> {
    pub(super) fn new(site: &Site<'a>, progress: &'a [Arc<Progress>]) -> Self {
        let queue = |config: &ConsumerConfig| {
            site.sqs
                .queue(config.queue_url.as_str(), ClientOptions::calling())
        };
        Self {
            store: site.store,
            jitter: &site.host.jitter,
            progress,
            queues: site.settings.consumers.iter().map(queue).collect(),
            bar: Bar::telling(),
            told: Cell::new(Instant::now()),
        }
    }

    /// Places every line, and names those that are refused; says whether it came to the end.
    pub(super) async fn place(
        &self,
        intake: &dyn Intake,
        lines: Lines,
    ) -> Result<(Read, bool), Exit> {
        let name = lines.name.clone();
        let mut lines = read_aside(lines);
        let (mut read, mut is_whole) = (Read::default(), true);
        let mut chunk = Vec::with_capacity(CHUNK);
        while lines.recv_many(&mut chunk, CHUNK).await > 0 {
            let texts: Vec<&str> = chunk
                .iter()
                .filter_map(|(_, line)| line.as_deref().ok())
                .map(str::trim)
                .collect();
            let mut placements = self.place_chunk(intake, &texts).await?.into_iter();
            for (number, line) in &chunk {
                let placement = match line {
                    Ok(_) => placements
                        .next()
                        .context("the intake left a line unanswered")?,
                    Err(LineError::Unfit(problem)) => Placement::Refused {
                        field: String::new(),
                        reason: (*problem).to_owned(),
                    },
                    Err(error @ LineError::Unreadable(_)) => {
                        self.bar
                            .note(&output::escape(format!("{name}:{number}: {error}")));
                        is_whole = false;
                        continue;
                    }
                };
                read.read += 1;
                self.count(&mut read, &name, *number, placement);
            }
            chunk.clear();
            self.tell(format!("{} read, {} placed", read.read, read.placed));
        }
        Ok((read, is_whole))
    }

    /// Waits until every event of the outbox is done or dead.
    pub(super) async fn until_settled(&self, read: &Read) -> Result<(), Exit> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone());
        loop {
            let open = match self.store.count_open().await {
                Ok(0) => break,
                Ok(open) => open,
                Err(error) if is_passing(&error) => {
                    sleep(backoff.next()).await;
                    continue;
                }
                Err(error) => return Err(anyhow::Error::new(error).context("database").into()),
            };
            backoff.reset();
            if self.is_at_rest().await {
                break;
            }
            let settled: u64 = self.progress.iter().map(|p| p.snapshot().settled).sum();
            let line = format!(
                "{} placed, {settled} messages settled, {open} open",
                read.placed
            );
            self.tell(line);
            sleep(LOOK_PERIOD).await;
        }
        self.bar.finish();
        Ok(())
    }

    /// Shows progress: at once on a terminal, else a line now and then.
    fn tell(&self, line: String) {
        if !output::is_watched() && self.told.get().elapsed() >= TELL_PERIOD {
            output::note(&line);
            self.told.set(Instant::now());
        }
        self.bar.tell(line);
    }

    /// Tells whether nothing is on its way any more.
    ///
    /// An event for which a handler had nothing to do leaves no claim behind,
    /// so it looks open for ever. The counts of the embedded queues are exact.
    async fn is_at_rest(&self) -> bool {
        let waits = self.store.stats().await;
        if !waits.is_ok_and(|waits| waits.iter().all(|lane| lane.pending == 0)) {
            return false;
        }
        for queue in &self.queues {
            let counts = queue.attributes().await;
            if !counts.is_ok_and(|at| at.visible + at.in_flight + at.delayed == 0) {
                return false;
            }
        }
        true
    }

    async fn place_chunk(
        &self,
        intake: &dyn Intake,
        lines: &[&str],
    ) -> Result<Vec<Placement>, Exit> {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone());
        loop {
            match intake.place(self.store, lines).await {
                Ok(placements) => return Ok(placements),
                Err(error) if is_passing(&error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot place yet");
                    sleep(backoff.next()).await;
                }
                Err(error) => return Err(anyhow::Error::new(error).context("cannot place").into()),
            }
        }
    }

    fn count(&self, read: &mut Read, name: &str, number: u64, placement: Placement) {
        match placement {
            Placement::Placed => read.placed += 1,
            Placement::Duplicate => read.duplicates += 1,
            Placement::Refused { field, reason } => {
                read.refused += 1;
                let what = if field.is_empty() {
                    reason
                } else {
                    format!("{field}: {reason}")
                };
                self.bar
                    .note(&output::escape(format!("{name}:{number}: refused: {what}")));
            }
        }
    }
}

fn is_passing(error: &StoreError) -> bool {
    matches!(
        error.class,
        StoreErrorClass::Unavailable | StoreErrorClass::Busy | StoreErrorClass::Conflict
    )
}
