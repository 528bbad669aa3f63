use fleet::store::{ConsumerStanding, OutboxStats, RecentFailure, RecentFailures, Sighting};
use jiff::Timestamp;
use serde::Serialize;

use crate::muster::{Muster, PauseState, SEEN_WITHIN};
use crate::survey::QueueState;

/// What is known of one thing, and whether that is the latest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part<T> {
    known: Option<T>,
    as_of: Option<Timestamp>,
    /// Why there is nothing newer.
    trouble: Option<String>,
    /// What else is wrong.
    aside: Option<String>,
}

/// What the database says at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Records {
    pub(super) muster: Muster,
    pub(super) outbox: Vec<OutboxStats>,
    pub(super) failures: RecentFailures,
}

/// The fleet at one moment, as far as it is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Snapshot {
    pub(super) at: Timestamp,
    pub(super) consumers: Vec<Consumer>,
    /// Unknown without a database, as all below.
    pub(super) processes: Option<Vec<Process>>,
    pub(super) outbox: Option<Vec<Outbox>>,
    pub(super) failures: Option<Vec<RecentFailure>>,
    /// Whether attempts are among the failures: a large ledger of them is not looked through.
    pub(super) has_attempts: bool,
    pub(super) database: Database,
}

/// Whether there is a database, and whether it answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Database {
    /// None is named.
    Unnamed,
    /// What is shown is the latest.
    Answers,
    /// What is shown is old, or nothing is known yet.
    Stale(Stale),
}

/// Since when nothing newer is known, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stale {
    /// None: nothing was ever known.
    pub(super) as_of: Option<Timestamp>,
    pub(super) why: String,
}

/// One consumer: its queue, and how it is doing in all processes together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Consumer {
    pub(super) consumer: String,
    pub(super) queue: String,
    pub(super) backlog: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) delayed: Option<u64>,
    pub(super) dead_letters: Option<u64>,
    /// About how old the oldest message is that waits, if some process measures it.
    pub(super) lag_secs: Option<u64>,
    /// Why that is not the latest.
    pub(super) stale: Option<Stale>,
    /// Why the dead letters are not known.
    pub(super) trouble: Option<String>,
    /// How its processes are doing; unknown without a database.
    pub(super) work: Option<Work>,
    pub(super) pause: Option<PauseState>,
}

/// How all processes of a consumer together are doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Work {
    pub(super) processes: usize,
    pub(super) busy: u64,
    pub(super) concurrency: usize,
    pub(super) per_second: f64,
    /// That of the slowest process.
    pub(super) p99_ms: Option<f64>,
    /// The dependencies that are down for any of them.
    pub(super) down: Vec<String>,
}

/// A process that serves, or did until lately.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Process {
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) build: String,
    pub(super) started_at: Timestamp,
    pub(super) up_secs: u64,
    pub(super) seen_secs_ago: u64,
    /// It has shown itself lately.
    pub(super) is_present: bool,
    pub(super) consumers: Vec<String>,
}

/// What waits for one destination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Outbox {
    pub(super) destination: String,
    pub(super) pending: u64,
    pub(super) parked: u64,
    pub(super) oldest_secs: u64,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            known: None,
            as_of: None,
            trouble: None,
            aside: None,
        }
    }
}

impl<T> Part<T> {
    /// Takes an answer in; without one, what was known stays.
    pub(super) fn take(&mut self, answer: Result<(T, Option<String>), String>, now: Timestamp) {
        match answer {
            Ok((known, aside)) => {
                *self = Self {
                    known: Some(known),
                    as_of: Some(now),
                    trouble: None,
                    aside,
                }
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    fn stale(&self) -> Option<Stale> {
        self.trouble.as_ref().map(|why| Stale {
            as_of: self.as_of,
            why: why.clone(),
        })
    }
}

impl Snapshot {
    /// Puts together what is known of the queues, by consumer and queue, and of the database.
    pub(super) fn of<'a>(
        at: Timestamp,
        queues: impl IntoIterator<Item = (&'a str, &'a str, Part<QueueState>)>,
        database: Option<Part<Records>>,
    ) -> Self {
        let records = database.as_ref().and_then(|part| part.known.as_ref());
        let consumers = queues.into_iter().map(|(consumer, queue, part)| {
            let muster = records.map(|records| &records.muster);
            Consumer::of(consumer, queue, &part, muster)
        });
        Self {
            at,
            consumers: consumers.collect(),
            processes: records
                .map(|records| records.muster.processes.iter().map(Process::of).collect()),
            outbox: records.map(|records| records.outbox.iter().map(Outbox::of).collect()),
            failures: records.map(|records| records.failures.latest.clone()),
            has_attempts: records.is_none_or(|records| records.failures.has_attempts),
            database: match &database {
                None => Database::Unnamed,
                Some(part) => part.stale().map_or(Database::Answers, Database::Stale),
            },
        }
    }

    /// Says what could not be asked, a line each.
    pub(super) fn troubles(&self) -> Vec<String> {
        let of_queue = |one: &Consumer| {
            let stale = one.stale.as_ref().map(|stale| stale.why.clone());
            stale.into_iter().chain(one.trouble.clone())
        };
        let database = match &self.database {
            Database::Stale(stale) => Some(format!("database: {}", stale.why)),
            Database::Unnamed => Some("without DATABASE_URL only the queues are known".to_owned()),
            Database::Answers => None,
        };
        let mut troubles: Vec<_> = self.consumers.iter().flat_map(of_queue).collect();
        troubles.extend(database);
        if !self.has_attempts {
            troubles.push(
                "failed attempts are too many to look through; dead letters are shown alone"
                    .to_owned(),
            );
        }
        troubles
    }

    /// Tells whether anything answered.
    pub(super) fn knows_anything(&self) -> bool {
        self.processes.is_some()
            || self.consumers.is_empty()
            || self.consumers.iter().any(|one| one.backlog.is_some())
    }

    /// Tells whether everything that was asked answered.
    pub(super) fn is_whole(&self) -> bool {
        let asked_in_vain = matches!(self.database, Database::Stale(_));
        let answers = |one: &Consumer| one.stale.is_none() && one.trouble.is_none();
        !asked_in_vain && self.consumers.iter().all(answers)
    }
}

impl Consumer {
    fn of(consumer: &str, queue: &str, part: &Part<QueueState>, muster: Option<&Muster>) -> Self {
        let state = part.known.as_ref();
        Self {
            consumer: consumer.to_owned(),
            queue: queue.to_owned(),
            backlog: state.map(|state| state.backlog),
            in_flight: state.map(|state| state.in_flight),
            delayed: state.map(|state| state.delayed),
            dead_letters: state.and_then(|state| state.dead_letters),
            lag_secs: muster.and_then(|muster| Some(muster.lag(queue)?.as_secs())),
            stale: part.stale(),
            trouble: part.aside.clone(),
            work: muster.map(|muster| Work::of(&muster.serving(consumer))),
            pause: muster.and_then(|muster| muster.pause(consumer)),
        }
    }
}

impl Work {
    fn of(serving: &[&ConsumerStanding]) -> Self {
        let mut work = Self {
            processes: serving.len(),
            ..Self::default()
        };
        for one in serving {
            work.busy += one.in_flight;
            work.concurrency += one.concurrency;
            work.per_second += one.per_second;
            // None is less than any.
            work.p99_ms = one.p99_ms.map_or(work.p99_ms, |p99| {
                Some(work.p99_ms.map_or(p99, |slowest| slowest.max(p99)))
            });
            work.down.extend(one.down.iter().cloned());
        }
        work.down.sort();
        work.down.dedup();
        work
    }
}

impl Process {
    fn of(seen: &Sighting) -> Self {
        let process = &seen.process;
        Self {
            host: process.host.clone(),
            pid: process.pid,
            kind: process.kind.clone(),
            version: process.version.clone(),
            build: process.build.clone(),
            started_at: process.started_at,
            up_secs: seen.up.as_secs(),
            seen_secs_ago: seen.seen_ago.as_secs(),
            is_present: seen.seen_ago <= SEEN_WITHIN,
            consumers: seen.consumers.iter().map(|one| one.name.clone()).collect(),
        }
    }
}

impl Outbox {
    fn of(stats: &OutboxStats) -> Self {
        Self {
            destination: stats.destination.clone(),
            pending: stats.pending,
            parked: stats.parked,
            oldest_secs: stats.oldest_age.as_secs(),
        }
    }
}
