use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::queue::QueueErrorKind;
use fleet::service::shutdown::Shutdown;
use fleet::{BatchError, BatchHandler, Envelope, HandlerError, Tx};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, interval, timeout};

use crate::meddler::{Fate, Meddler};
use crate::stage::{Act, GRACE, Job, Journal, Play, Stage};

const MESSAGES: usize = 60;

/// How long the weather is bad.
const STORM: Duration = Duration::from_secs(600);

/// Does what the jobs of a batch say; some of its failures name their event.
struct Crowd {
    journal: Arc<Journal>,
    runs: Runs,
}

/// How often each event was worked on, by all workers together.
type Runs = Arc<Mutex<BTreeMap<String, u32>>>;

impl Crowd {
    async fn work_on(&self, job: &Envelope<Job>) -> Result<(), HandlerError> {
        let run = {
            let mut runs = self.runs.lock().unwrap();
            let run = runs.entry(job.key.id.clone()).or_default();
            *run += 1;
            *run
        };
        match &job.data.act {
            Act::Reject => Err(HandlerError::permanent("no customer")),
            Act::SucceedAt(enough) if run < *enough => Err(HandlerError::retryable("flaky")),
            Act::Panic => panic!("a bug of the handler"),
            Act::Call(dependency) if self.journal.is_down(dependency) => {
                Err(HandlerError::unavailable(dependency.clone()))
            }
            Act::Work(seconds) => {
                let work = std::future::pending::<()>();
                let _ = timeout(Duration::from_secs(*seconds), work).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl BatchHandler for Crowd {
    type Event = Job;
    const EVENTS_MAX: usize = 15;

    async fn handle(&self, jobs: &[Envelope<Job>], _: &mut Tx<'_>) -> Result<(), BatchError> {
        for (index, job) in jobs.iter().enumerate() {
            self.work_on(job).await.map_err(|error| match index % 2 {
                0 => BatchError::reject(index, error),
                _ => error.into(),
            })?;
        }
        Ok(())
    }
}

/// Starts a worker that handles jobs one by one, or many at once.
fn start(stage: &Stage, at_once: Option<&Runs>) -> Play {
    let Some(runs) = at_once else {
        return stage.start();
    };
    let crowd = Crowd {
        journal: Arc::clone(&stage.journal),
        runs: Arc::clone(runs),
    };
    stage.start_with(|consumer| consumer.batch_handler(crowd))
}

/// Lets requests fail in all ways, so many of a hundred, while the storm lasts.
fn disturb(meddler: &Meddler, seed: u64, percent: u32, ends: Instant) {
    let mut chance = StdRng::seed_from_u64(seed);
    meddler.rule(move |_| {
        if Instant::now() >= ends || chance.random_range(0..100) >= percent {
            return Fate::Passes;
        }
        match chance.random_range(0..6) {
            0 => Fate::Fails(QueueErrorKind::Unreachable),
            1 => Fate::Fails(QueueErrorKind::Throttled),
            2 => Fate::FailsOne("InternalError", false),
            3 => Fate::FailsOne("ReceiptHandleIsInvalid", true),
            4 => Fate::LosesAnswer,
            _ => Fate::Panics,
        }
    });
}

fn act(chance: &mut StdRng) -> Act {
    match chance.random_range(0..12) {
        0 => Act::Reject,
        1 => Act::SucceedAt(3),
        2 => Act::Work(chance.random_range(1..29)),
        3 => Act::Work(90),
        4 => Act::Panic,
        5 | 6 => Act::Call("smtp".into()),
        _ => Act::Succeed,
    }
}

fn succeeds(act: &Act) -> bool {
    !matches!(act, Act::Reject | Act::Panic | Act::Work(90))
}

/// Takes the database and the mail server down and brings them back, and restarts the worker.
async fn blow(
    stage: &mut Stage,
    at_once: Option<&Runs>,
    chance: &mut StdRng,
    ends: Instant,
) -> Play {
    let mut play = start(stage, at_once);
    let mut seconds = interval(Duration::from_secs(1));
    while Instant::now() < ends {
        seconds.tick().await;
        match chance.random_range(0..40) {
            0 => stage.store.set_down(true),
            1..=3 => stage.store.set_down(false),
            4 => stage.journal.set_down("smtp", true),
            5..=7 => stage.journal.set_down("smtp", false),
            8 => stage.queue.set_down(true),
            9..=12 => stage.queue.set_down(false),
            13 if chance.random_range(0..4) == 0 => {
                stage.shutdown.request();
                play.running.await.unwrap();
                stage.shutdown = Shutdown::new(GRACE);
                play = start(stage, at_once);
            }
            _ => {}
        }
    }
    play
}

async fn survive(seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut stage = Stage::new().await;
    stage.limits.concurrency = chance.random_range(1..40);
    let ends = Instant::now() + STORM;
    let percent = chance.random_range(0..40);
    let meddlers = [
        &stage.receiving,
        &stage.settling,
        &stage.leasing,
        &stage.burying,
    ];
    for (n, meddler) in (0..).zip(meddlers) {
        disturb(meddler, seed * 10 + n, percent, ends);
    }
    let acts: Vec<_> = (0..MESSAGES).map(|_| act(&mut chance)).collect();
    stage.send(acts.iter().cloned()).await;
    let runs = Runs::default();
    let at_once = (seed % 2 == 1).then_some(&runs);
    let play = blow(&mut stage, at_once, &mut chance, ends).await;
    stage.store.set_down(false);
    stage.queue.set_down(false);
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;

    let ids = |is_meant: fn(&Act) -> bool| -> BTreeSet<String> {
        let meant = acts.iter().enumerate().filter(|(_, act)| is_meant(act));
        meant.map(|(id, _)| id.to_string()).collect()
    };
    let processed: BTreeSet<_> = stage.processed().into_iter().collect();
    let expected = ids(succeeds);
    assert_eq!(processed, expected, "seed {seed}: each effect once");
    // Its copy may have come twice, when a confirmation was lost.
    let dead = stage.dead_count().await;
    let buried: BTreeSet<_> = stage
        .dead_letters(usize::try_from(dead).unwrap())
        .await
        .into_iter()
        .map(|copy| copy.failure.expect("it fits").key.id)
        .collect();
    assert_eq!(
        buried,
        ids(|act| !succeeds(act)),
        "seed {seed}: no other death"
    );
    let snapshot = play.progress.snapshot();
    assert_eq!(snapshot.received, snapshot.settled, "seed {seed}");
    for row in stage.store.attempts() {
        let id: usize = row.key.expect("all can be read").id.parse().unwrap();
        let may_fail = matches!(acts[id], Act::SucceedAt(_) | Act::Panic | Act::Work(90));
        // Others of its type got done without what it needs.
        let seems_alone = row.reason == "smtp is unavailable to this message alone";
        let is_fair = may_fail || seems_alone || !row.outcome.is_charged();
        assert!(is_fair, "seed {seed}: {id}");
    }
    play.end(&stage).await;
}

/// Seeds of a usual run. `FLEET_STORM=7` replays the one that a failure names.
const SEEDS: std::ops::Range<u64> = 0..40;

#[tokio::test(start_paused = true)]
async fn whatever_fails_each_message_ends_once_and_nobody_pays_for_an_outage() {
    let replayed = std::env::var("FLEET_STORM").ok();
    let seeds = match replayed.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => SEEDS,
    };
    for seed in seeds {
        survive(seed).await;
    }
}
