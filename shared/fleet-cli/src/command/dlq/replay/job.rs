use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use fleet::dead_letter::replay::{self, End, LEASE, Order, Report, Step};
use fleet::dead_letter::{Filter, lease_for};
use fleet::queue::Sqs;
use fleet::service::config::{Env, RateLimit};
use fleet::service::retry::Jitter;
use fleet::store::{EVENTS_KEPT, NewReplay, PostgresStore, ReplayKind, ReplayState};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::destination::Place;
use super::record::{check_resumable, rate_of};
use super::summary;
use super::watch::{Verdict, Watch};
use crate::app::App;
use crate::cli::replay::Replay;
use crate::command::dlq::target::Target;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::{operator, output};

/// What is replayed, said anew or gone on with.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) filter: Filter,
    pub(super) cut: Timestamp,
    pub(super) rate: Option<RateLimit>,
    /// The destination that the journal names.
    pub(super) destination: Option<String>,
    oldest: Option<Timestamp>,
    resumes: Option<i64>,
    /// Whether nobody said how the replay that goes on had ended: it was killed.
    was_killed: bool,
    /// How many may still be sent.
    left: Option<u64>,
    who: String,
    /// About how many messages there are.
    about: u64,
}

/// What a job is run with.
pub(super) struct Scene<'a> {
    pub(super) app: &'a App,
    pub(super) args: &'a Replay,
    pub(super) store: &'a PostgresStore,
    pub(super) sqs: &'a Sqs,
    pub(super) target: &'a Target<'a>,
    pub(super) place: &'a Place<'a>,
    pub(super) interrupt: &'a Interrupt,
}

/// How a job ended.
#[derive(Default)]
pub(super) struct Ended {
    /// What each part of it did.
    pub(super) reports: Vec<Report>,
    /// Why it was stopped before its end, in the words of the watch.
    pub(super) verdict: Option<Verdict>,
}

impl Job {
    /// Takes a job from the command line.
    pub(super) fn new(args: &Replay, env: &dyn Env) -> Self {
        let now = Timestamp::now();
        Self {
            filter: args.filter.filter(now),
            cut: now,
            rate: args.rate,
            destination: None,
            oldest: oldest(args),
            resumes: None,
            was_killed: false,
            left: args.max,
            who: operator::who(env),
            about: 0,
        }
    }

    /// Takes a job out of the journal.
    ///
    /// # Errors
    ///
    /// Refused: there is none of the number, it is done, or it is of another queue or kind.
    pub(super) async fn resumed(
        store: &PostgresStore,
        target: &Target<'_>,
        args: &Replay,
        id: i64,
    ) -> Result<Self, Exit> {
        let record = store.replay(id).await;
        let record = record.context("the journal cannot be read")?;
        let record = record.ok_or_else(|| Exit::refused(format!("there is no replay {id}")))?;
        check_resumable(&record, target)?;
        let filter = serde_json::from_str(&record.filter)
            .with_context(|| format!("the filter of replay {id} is of another release"))?;
        let replayed = record.counts.replayed();
        Ok(Self {
            filter,
            cut: record.cut_at,
            rate: args.rate.or_else(|| rate_of(record.rate)),
            destination: Some(record.destination),
            oldest: oldest(args),
            resumes: Some(id),
            was_killed: record.state == ReplayState::Running,
            left: record.messages_max.map(|max| max.saturating_sub(replayed)),
            who: record.who,
            about: 0,
        })
    }

    /// Takes of a dead-letter queue of several only those that come from the destination.
    #[must_use]
    pub(super) fn of_origin(mut self, target: &Target<'_>, place: &Place<'_>) -> Self {
        let is_source = target.sources.iter().any(|one| one.name == place.name);
        if self.resumes.is_none() && target.sources.len() > 1 && is_source {
            self.filter.queue = Some(place.name.clone());
        }
        self
    }

    /// Returns since when events have to have been sent for their being done to be known.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// Does it, and says what came of it.
    pub(super) async fn run(mut self, scene: &Scene<'_>, about: u64) -> Result<(), Exit> {
        self.about = about;
        let id = self.enter(scene).await?;
        let (name, queue) = (scene.app.name, &scene.target.name);
        output::note(&output::escape(format!(
            "replay {id} begins; to go on with it: {name} dlq replay {queue} --resume {id}"
        )));
        let ended = self.work(scene, id).await;
        summary::conclude(scene, id, ended).await
    }

    /// Writes down that it begins, or goes on.
    async fn enter(&self, scene: &Scene<'_>) -> Result<i64, Exit> {
        let why = "the journal cannot be written; nothing was replayed";
        let a_second = self.rate.map(|rate| rate.thousandths() as f64 / 1_000.0);
        if let Some(id) = self.resumes {
            return match scene.store.resume_replay(id, a_second).await.context(why)? {
                true => Ok(id),
                false => Err(Exit::refused(format!("replay {id} is done"))),
            };
        }
        let new = NewReplay {
            kind: ReplayKind::Replay,
            queue: scene.target.name.clone(),
            destination: scene.place.name.clone(),
            consumer: scene.place.consumer.map(str::to_owned),
            filter: serde_json::to_string(&self.filter).context("a filter is JSON")?,
            rate: a_second,
            who: self.who.clone(),
            cut_at: self.cut,
            messages_max: self.left,
        };
        Ok(scene.store.begin_replay(&new).await.context(why)?)
    }

    /// Replays: first the canary, if there is one, then the rest.
    async fn work(&mut self, scene: &Scene<'_>, id: i64) -> Ended {
        let mut ended = Ended::default();
        let watch = Watch::begin(scene, id, self.resumes).await;
        let mut watch = match watch {
            Ok(watch) => watch,
            Err(error) => {
                ended.verdict = Some(Verdict::Blind(error));
                return ended;
            }
        };
        if let Some(canary) = scene.args.canary {
            let most = self.left.map_or(canary, |left| left.min(canary));
            let report = self.replay(scene, id, Some(most), None).await;
            self.left = self.left.map(|left| left.saturating_sub(report.sent));
            self.about = self.about.saturating_sub(report.sent + report.copies);
            let (is_over, is_last) = match report.end {
                End::Limit => (false, self.left == Some(0)),
                End::Complete => (false, true),
                End::Stopped | End::Trouble(_) => (true, true),
            };
            ended.reports.push(report);
            if is_over {
                return ended;
            }
            ended.verdict = watch.canary(scene).await;
            if ended.verdict.is_some() {
                return ended;
            }
            if is_last {
                output::note("the canary is done");
                return ended;
            }
            output::note("the canary is done; the rest follows");
        }
        let report = self.replay(scene, id, self.left, Some(&mut watch)).await;
        ended.reports.push(report);
        ended.verdict = watch.verdict();
        ended
    }

    /// Replays at most so many, and lets the watch look on.
    async fn replay(
        &self,
        scene: &Scene<'_>,
        id: i64,
        max: Option<u64>,
        watch: Option<&mut Watch<'_>>,
    ) -> Report {
        let lease = scene.args.lease.unwrap_or(LEASE);
        let source = scene.target.hiding_for(scene.sqs, lease);
        let stop = scene.interrupt.token().child_token();
        let order = Order {
            id,
            journal: scene.store,
            source: &source,
            origin: scene.target.origin(),
            lease,
            aside: lease_for(scene.target.depth()),
            destination: &scene.place.queue,
            to: scene.place.kind(),
            edited: None,
            matcher: match self.filter.matcher() {
                Ok(matcher) => matcher,
                Err(_) => unreachable!("the plan was made with the same filter"),
            },
            cut: self.cut,
            oldest: self.oldest,
            max,
            rate: self.rate,
            expected: self.about,
            patience: match self.was_killed {
                true => lease,
                false => Duration::ZERO,
            },
            jitter: Jitter::from_entropy(),
        };
        let bar = Bar::towards(
            max.map_or(self.about, |max| max.min(self.about)),
            "replayed",
        );
        let is_told = AtomicBool::new(false);
        let see = |step: Step| match step {
            Step::Replayed(count) => bar.advance(count),
            Step::Waiting(time) => {
                if !is_told.swap(true, Ordering::Relaxed) {
                    bar.note(&format!(
                        "waits up to {} s for messages that another replay still hides",
                        time.as_secs() + 1
                    ));
                }
            }
        };
        let over = CancellationToken::new();
        let replaying = async {
            let report = Box::pin(replay::run(&order, &stop, &see)).await;
            over.cancel();
            report
        };
        let report = match watch {
            Some(watch) => tokio::join!(replaying, watch.look_on(&stop, &over, &bar)).0,
            None => replaying.await,
        };
        bar.finish();
        report
    }
}

/// Events that were first sent before it may be done without anybody knowing.
fn oldest(args: &Replay) -> Option<Timestamp> {
    let oldest = Timestamp::now().checked_sub(EVENTS_KEPT).ok();
    oldest.filter(|_| !args.force)
}
