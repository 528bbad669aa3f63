use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::demand::{Arrivals, capacity, workers_needed};
use super::lag::{Received, lag};
use super::{age, dead_age};
use crate::consume::Progress;
use crate::queue::{Directory, Queue, QueueAttributes, QueueError};
use crate::service::metrics::{DeadDepth, Depth, DepthMetrics};
use crate::store::{ConsumerStanding, DepthMemory, PostgresStore};

/// How old numbers may be that are still shown: three looks may fail in between.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// How many records of dead letters are counted at most: some milliseconds.
const LETTERS_MAX: u32 = 10_000;

/// How often these records are read: where many letters were replayed and one is left, it takes
/// a second or two.
const RECORDS_PERIOD: Duration = Duration::from_secs(60);

/// A queue that a process can measure.
#[derive(Clone, Debug)]
pub struct Sounded {
    /// Asks the queue, on a client that nothing else waits for.
    pub queue: Arc<dyn Queue>,
    /// Where its dead-letter queue is found.
    pub directory: Arc<dyn Directory>,
    /// How far this process has come with it, if it serves it.
    pub progress: Option<Arc<Progress>>,
}

/// What the other processes have told the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others<'a> {
    /// How the queue's consumers are doing.
    pub(super) standings: &'a [ConsumerStanding],
    /// Knows the dead letters.
    pub(super) store: &'a PostgresStore,
}

/// Measures how deep one queue is.
#[derive(Debug)]
pub(super) struct Sounder {
    sounded: Sounded,
    /// The dead-letter queue with its name: another redrive policy may name another.
    dead_letters: Option<(String, Arc<dyn Queue>)>,
    memory: DepthMemory,
    arrivals: Arrivals,
    looked_at: Option<Instant>,
    recorded: Option<(Instant, Option<Timestamp>)>,
    known_at: Option<Instant>,
    dead_known_at: Option<Instant>,
    metrics: DepthMetrics,
}

impl Sounder {
    /// Makes one that knows nothing.
    pub(super) fn new(sounded: Sounded) -> Self {
        Self {
            metrics: DepthMetrics::new(sounded.queue.name()),
            sounded,
            dead_letters: None,
            memory: DepthMemory::default(),
            arrivals: Arrivals::default(),
            looked_at: None,
            recorded: None,
            known_at: None,
            dead_known_at: None,
        }
    }

    /// Returns the name of the queue.
    pub(super) fn queue(&self) -> &str {
        self.sounded.queue.name()
    }

    /// Returns what is to be remembered of the queue.
    pub(super) fn memory(&self) -> &DepthMemory {
        &self.memory
    }

    /// Goes on where another process has left off.
    pub(super) fn recall(&mut self, memory: DepthMemory) {
        self.memory = memory;
    }

    /// Asks the queue, shows what it holds, and returns its lag.
    ///
    /// # Errors
    ///
    /// Those of the call; what was shown stays for a while.
    pub(super) async fn sound(
        &mut self,
        others: Option<Others<'_>>,
    ) -> Result<(Duration, QueueAttributes), QueueError> {
        let attributes = self.sounded.queue.attributes().await?;
        self.known_at = Some(Instant::now());
        let (backlog, received) = (attributes.visible, self.received(others));
        let lag = lag(&mut self.memory, backlog, &received, Timestamp::now());
        let workers_needed = self.demand(&attributes, others);
        self.metrics.queue(Some(Depth {
            visible: backlog,
            in_flight: attributes.in_flight,
            delayed: attributes.delayed,
            oldest_age: lag,
            workers_needed,
        }));
        Ok((lag, attributes))
    }

    /// Asks the dead-letter queue that a queue's redrive policy names, and shows what it holds.
    ///
    /// # Errors
    ///
    /// Those of the calls; what was shown stays for a while.
    pub(super) async fn sound_dead_letters(
        &mut self,
        name: &str,
        others: Option<Others<'_>>,
    ) -> Result<(), QueueError> {
        let known = self.dead_letters.take().filter(|(known, _)| known == name);
        let queue = match known {
            Some((_, queue)) => queue,
            None => self.sounded.directory.find(name).await?,
        };
        // One that fails is looked up again: it may have been made anew.
        let attributes = queue.attributes().await?;
        self.dead_letters = Some((name.to_owned(), queue));
        self.dead_known_at = Some(Instant::now());
        let letters = attributes.visible + attributes.in_flight + attributes.delayed;
        let now = Timestamp::now();
        let oldest_age = match dead_age::note(&mut self.memory, letters, now) {
            None => Duration::ZERO,
            Some(empty_until) => {
                let recorded = self.recorded(name, empty_until, letters, others).await;
                age(now, recorded.unwrap_or(empty_until))
            }
        };
        self.metrics.dead_letters(Some(DeadDepth {
            messages: letters,
            oldest_age,
            retention: attributes.retention,
        }));
        Ok(())
    }

    /// Shows no numbers any more that have become old.
    pub(super) fn forget_what_is_stale(&mut self) {
        let is_stale = |known: Option<Instant>| known.is_some_and(|at| at.elapsed() > STALE_AFTER);
        if is_stale(self.known_at) {
            self.known_at = None;
            self.metrics.queue(None);
        }
        if is_stale(self.dead_known_at) {
            self.dead_known_at = None;
            self.metrics.dead_letters(None);
        }
    }

    /// Shows no numbers: those of another process count.
    pub(super) fn hand_over(&mut self) {
        self.known_at = None;
        self.dead_known_at = None;
        self.looked_at = None;
        self.recorded = None;
        self.arrivals = Arrivals::default();
        self.metrics.queue(None);
        self.metrics.dead_letters(None);
    }

    /// Returns what each process received last, as far as that is known here.
    fn received(&self, others: Option<Others<'_>>) -> Vec<Received> {
        let told = others.map_or(&[][..], |others| others.standings).iter();
        let told = told.filter_map(|standing| {
            Some(Received {
                at: standing.received_at?,
                oldest_sent: standing.oldest_sent?,
            })
        });
        let progress = self.sounded.progress.as_ref();
        let own = progress.and_then(|progress| progress.reception());
        let own = own.map(|reception| Received {
            at: reception.at,
            oldest_sent: reception.oldest_sent,
        });
        told.chain(own).collect()
    }

    /// Returns how many processes the queue needs, if what all of them do is known.
    fn demand(&mut self, attributes: &QueueAttributes, others: Option<Others<'_>>) -> Option<f64> {
        let now = Instant::now();
        let looked_at = self.looked_at.replace(now).unwrap_or(now);
        let Some(Others { standings, .. }) = others else {
            self.arrivals = Arrivals::default();
            return None;
        };
        self.memory.capacity = capacity(standings).or(self.memory.capacity);
        let done_per_second = standings.iter().map(|one| one.per_second).sum();
        let held = attributes.visible + attributes.in_flight + attributes.delayed;
        let arrivals = self
            .arrivals
            .learn(held, done_per_second, now - looked_at)?;
        workers_needed(arrivals, attributes.visible, self.memory.capacity)
    }

    /// Returns when the oldest letter died, if the records speak of all; they are read now and then.
    async fn recorded(
        &mut self,
        name: &str,
        empty_until: Timestamp,
        letters: u64,
        others: Option<Others<'_>>,
    ) -> Option<Timestamp> {
        let known = self
            .recorded
            .filter(|(at, _)| at.elapsed() < RECORDS_PERIOD);
        if let Some((_, oldest)) = known {
            return oldest;
        }
        let letters = u32::try_from(letters).map_or(LETTERS_MAX, |n| n.min(LETTERS_MAX));
        let read = others?.store.oldest_dead_letter(name, empty_until, letters);
        // Without an answer the age is rather too high than unknown.
        let oldest = read.await.ok().flatten();
        self.recorded = Some((Instant::now(), oldest));
        oldest
    }
}
