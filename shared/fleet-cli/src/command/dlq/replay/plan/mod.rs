//! What is said before.

mod counted;

mod layout;

use anyhow::Context as _;
use fleet::EventKey;
use fleet::dead_letter::Death;
use fleet::message::Message;
use fleet::store::{EVENTS_KEPT, PostgresStore, ReplayState};
use jiff::Timestamp;
use serde::Serialize;

use self::counted::{Counted, Kind};
use super::destination::Place;
use super::job::{Job, Scene};
use crate::cli::replay::Replay;
use crate::command::dlq::look::{conclude, look};
use crate::command::dlq::target::Target;
use crate::exit::Exit;

/// How many messages a plan names one by one.
const NAMED_MAX: usize = 5;

/// How many events the inbox is asked for at once.
const EVENTS_A_QUERY: usize = 1_000;

/// How many earlier replays of the queue are looked at for one that has not ended.
const EARLIER_MAX: u32 = 50;

/// What a replay would do.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    queue: String,
    destination: String,
    consumer: Option<String>,
    /// Dead before this.
    cut_at: Timestamp,
    filter: serde_json::Value,
    /// The messages that are meant, as far as was looked.
    messages: u64,
    events: u64,
    already_done: u64,
    too_old: u64,
    without_history: u64,
    without_history_ids: Vec<String>,
    without_group: u64,
    looked_at: u64,
    /// About how many messages somebody else holds.
    elsewhere: u64,
    is_complete: bool,
    is_fifo: bool,
    resumes: Option<i64>,
    rate: Option<f64>,
    max: Option<u64>,
    canary: Option<u64>,
    canary_timeout_secs: u64,
    eta_secs: Option<u64>,
    running: Vec<Running>,
    kinds: Vec<Kind>,
    /// How many messages are of kinds that are not listed.
    others: u64,
}

/// A replay of the same queue that has not ended.
#[derive(Debug, Serialize)]
struct Running {
    id: i64,
    who: String,
    started_at: Timestamp,
    last_at: Option<Timestamp>,
}

impl Plan {
    /// Looks what there is; of a replay that goes on the journal says what is meant.
    pub(super) async fn make(scene: &Scene<'_>, job: &Job) -> Result<Self, Exit> {
        let Scene {
            args,
            store,
            sqs,
            target,
            place,
            interrupt,
            ..
        } = *scene;
        let mut counted = Counted::default();
        let oldest = job.oldest();
        let see = |death: Death, message: Message| {
            if death.at() < job.cut && death.sent_at < job.cut {
                counted.add(&death, &message, place, oldest);
            }
        };
        let looked = look(target, sqs, &job.filter, args.scan.scan, interrupt, see).await?;
        if interrupt.is_requested() {
            conclude(target, &looked, interrupt)?;
        }
        let keys: Vec<EventKey> = counted.events.keys().cloned().collect();
        let already_done = count_done(store, place, &keys).await?;
        let running = running(store, target, args).await?;
        let rate = job.rate.map(|rate| rate.thousandths() as f64 / 1_000.0);
        let events = counted.events.len() as u64;
        let to_send = args.max.map_or(events, |max| max.min(events));
        let eta_secs = job
            .rate
            .map(|rate| (to_send * 1_000).div_ceil(rate.thousandths()));
        let (kinds, others) = counted.top();
        Ok(Self {
            queue: target.name.clone(),
            destination: place.name.clone(),
            consumer: place.consumer.map(str::to_owned),
            cut_at: job.cut,
            filter: serde_json::to_value(&job.filter).context("a filter is JSON")?,
            messages: counted.messages,
            events,
            already_done,
            too_old: counted.too_old,
            without_history: counted.without_history.len() as u64,
            without_history_ids: counted
                .without_history
                .into_iter()
                .take(NAMED_MAX)
                .collect(),
            without_group: counted.without_group,
            looked_at: looked.scanned.seen,
            elsewhere: match looked.scanned.is_complete {
                true => target.depth().saturating_sub(looked.scanned.seen),
                false => 0,
            },
            is_complete: looked.scanned.is_complete,
            is_fifo: target.is_fifo(),
            resumes: args.resume,
            rate,
            max: args.max,
            canary: args.canary,
            canary_timeout_secs: args.canary_timeout.as_secs(),
            eta_secs,
            running,
            kinds,
            others,
        })
    }

    /// Tells whether nothing was found that is meant, and nobody hides anything.
    pub(super) fn is_empty(&self) -> bool {
        self.messages == 0 && self.running.is_empty()
    }

    /// Returns about how many messages are meant.
    pub(super) fn messages(&self) -> u64 {
        self.max.map_or(self.messages, |max| max.min(self.messages))
    }

    /// Asks whether to do it.
    pub(super) fn question(&self) -> String {
        let about = match self.is_exact() {
            true => "",
            false => "about ",
        };
        let Self {
            queue, destination, ..
        } = self;
        let messages = self.messages();
        format!("Replay {about}{messages} messages from {queue} to {destination}?")
    }

    /// Refuses what would do harm.
    pub(super) fn check(&self, program: &str, args: &Replay) -> Result<(), Exit> {
        if self.too_old > 0 && !args.force {
            let days = EVENTS_KEPT.as_secs() / 86_400;
            return Err(Exit::refused(format!(
                "{} of them were first sent more than {days} days ago, which is as long as it is \
                 known what is done: they could be done twice. Name the others with --newer-than, \
                 or say --force; `{program} dlq show` tells about one",
                self.too_old
            )));
        }
        if self.without_group > 0 {
            return Err(Exit::refused(format!(
                "{} of them have no message group, which the FIFO queue {} asks for",
                self.without_group, self.destination
            )));
        }
        Ok(())
    }

    fn is_exact(&self) -> bool {
        self.is_complete && !self.is_fifo
    }
}

async fn count_done(
    store: &PostgresStore,
    place: &Place<'_>,
    keys: &[EventKey],
) -> Result<u64, Exit> {
    let Some(consumer) = place.consumer else {
        return Ok(0);
    };
    let mut done = 0;
    for keys in keys.chunks(EVENTS_A_QUERY) {
        let places = store.events_done(consumer, keys).await;
        done += places.context("the inbox cannot be asked")?.len() as u64;
    }
    Ok(done)
}

async fn running(
    store: &PostgresStore,
    target: &Target<'_>,
    args: &Replay,
) -> Result<Vec<Running>, Exit> {
    let replays = store.replays(Some(&target.name), EARLIER_MAX).await;
    let replays = replays.context("the journal cannot be read")?.into_iter();
    let unended =
        replays.filter(|one| one.state == ReplayState::Running && Some(one.id) != args.resume);
    let running = unended.map(|one| Running {
        id: one.id,
        who: one.who,
        started_at: one.started_at,
        last_at: one.last_at,
    });
    Ok(running.collect())
}
