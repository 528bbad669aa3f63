use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fleet::consume::Progress;
use fleet::service::retry::{Backoff, Jitter};
use fleet::store::{PostgresStore, StoreError, StoreErrorClass};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::intake::{Intake, Placement};
use crate::output;
use crate::progress::Bar;

/// Lines that are placed in one transaction.
const CHUNK: usize = 100;

/// Lines that were read and wait for their transaction.
const LINES_WAITING: usize = 1_000;

/// How often the outbox is asked what is still open.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// How often progress is told where there is no terminal.
const TELL_PERIOD: Duration = Duration::from_secs(5);

/// The ceilings of the pauses while the database is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// The lines of the input, opened and not read.
pub(super) struct Lines {
    name: String,
    input: Box<dyn BufRead + Send>,
}

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
    bar: Bar,
}

/// One line of the input, or the error that ended it.
type Numbered = (u64, Result<String, String>);

impl Lines {
    /// Opens a file; `-` is stdin.
    pub(super) fn open(path: &Path) -> Result<Self, Exit> {
        let name = path.display().to_string();
        if name == "-" {
            return Ok(Self {
                name: "stdin".to_owned(),
                input: Box::new(BufReader::new(stdin())),
            });
        }
        let file = File::open(path)
            .and_then(|file| match file.metadata()?.is_dir() {
                true => Err(std::io::Error::other("is a directory")),
                false => Ok(file),
            })
            .with_context(|| format!("{name} cannot be read"))
            .map_err(Exit::Refused)?;
        Ok(Self {
            name,
            input: Box::new(BufReader::new(file)),
        })
    }

    /// Reads on a thread of its own: a person may be typing.
    fn read(self) -> (String, mpsc::Receiver<Numbered>) {
        let (sender, receiver) = mpsc::channel(LINES_WAITING);
        std::thread::spawn(move || {
            for (number, line) in (1..).zip(self.input.split(b'\n')) {
                let line = match line {
                    Ok(bytes) if bytes.trim_ascii().is_empty() => continue,
                    Ok(bytes) => String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()),
                    Err(error) => Err(format!("cannot be read: {error}")),
                };
                if sender.blocking_send((number, line)).is_err() {
                    return;
                }
            }
        });
        (self.name, receiver)
    }
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        store: &'a PostgresStore,
        jitter: &'a Jitter,
        progress: &'a [Arc<Progress>],
    ) -> Self {
        Self {
            store,
            jitter,
            progress,
            bar: Bar::telling(),
        }
    }

    /// Places every line, and names those that are refused.
    pub(super) async fn place(&self, intake: &dyn Intake, lines: Lines) -> Result<Read, Exit> {
        let (name, mut lines) = lines.read();
        let mut read = Read::default();
        let mut chunk = Vec::with_capacity(CHUNK);
        while lines.recv_many(&mut chunk, CHUNK).await > 0 {
            let texts: Vec<&str> = chunk
                .iter()
                .filter_map(|(_, line)| line.as_deref().ok())
                .collect();
            let mut placements = self.place_chunk(intake, &texts).await?.into_iter();
            for (number, line) in &chunk {
                read.read += 1;
                let placement = match line {
                    Ok(_) => placements
                        .next()
                        .context("the intake left a line unanswered")?,
                    Err(problem) => Placement::Refused {
                        field: String::new(),
                        reason: problem.clone(),
                    },
                };
                self.count(&mut read, &name, *number, placement);
            }
            chunk.clear();
            self.bar
                .tell(format!("{} read, {} placed", read.read, read.placed));
        }
        Ok(read)
    }

    /// Waits until every event of the outbox is done or dead.
    pub(super) async fn until_settled(&self, read: &Read) -> Result<(), Exit> {
        let mut told = Instant::now();
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
            let settled: u64 = self.progress.iter().map(|p| p.snapshot().settled).sum();
            let line = format!(
                "{} placed, {settled} messages settled, {open} open",
                read.placed
            );
            if !output::is_watched() && told.elapsed() >= TELL_PERIOD {
                output::note(&line);
                told = Instant::now();
            }
            self.bar.tell(line);
            sleep(LOOK_PERIOD).await;
        }
        self.bar.finish();
        Ok(())
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
