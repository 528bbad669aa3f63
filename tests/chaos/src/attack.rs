//! The story of a run: start, storm, calm, check.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::audit::audit;
use crate::calm::{Rest, come_to_rest};
use crate::checker::Checker;
use crate::client::client;
use crate::crew::Crew;
use crate::journal::Journal;
use crate::leash::Leash;
use crate::letters;
use crate::member::{End, Life};
use crate::mutant::MUTANT;
use crate::nemesis::{Nemesis, Toll};
use crate::observer::{Arrivals, Observer};
use crate::options::Options;
use crate::place::{LEDGER_DLQ, Place};
use crate::plan::Plan;
use crate::postgres::Postgres;
use crate::producer::Producer;
use crate::report::{Report, Seconds, say};
use crate::role::{DOWNSTREAM, LEDGER};
use crate::sqs::Sqs;
use crate::storage;
use crate::traffic::{PRODUCER, Traffic};
use crate::verdict::{Kind, Verdict};

/// How often a line says how far it is.
const PROGRESS_PERIOD: Duration = Duration::from_secs(5);

/// What one run works with.
#[derive(Debug)]
struct Stage {
    work: TempDir,
    leash: Leash,
    postgres: Postgres,
    sqs: Sqs,
    place: Arc<Place>,
}

/// What is left of a storm.
#[derive(Debug)]
struct Aftermath {
    journal: Journal,
    arrivals: Arrivals,
    lives: Vec<Life>,
    rest: Rest,
}

/// Attacks a fleet and returns what came of it.
///
/// # Errors
///
/// The experiment itself could not be carried out.
///
/// # Cancellation
///
/// Ends everything that was started.
pub async fn attack(options: &Options) -> anyhow::Result<Report> {
    let began = Instant::now();
    let stage = Stage::set(options).await?;
    let toll = Toll::default();
    let mut seconds = Seconds {
        start: began.elapsed().as_secs_f64(),
        ..Seconds::default()
    };
    let aftermath = stage.storm(options, &toll, &mut seconds).await?;
    let checking = Instant::now();
    let verdict = stage.check(&aftermath).await?;
    seconds.check = checking.elapsed().as_secs_f64();
    seconds.whole = began.elapsed().as_secs_f64();
    let mut report = Report::new(options, verdict, seconds);
    report.done = toll.done();
    report.lost_commits = stage.postgres.lost_commits();
    report.traffic = Traffic::of(&stage.sqs.counts().await?, &aftermath.lives);
    report.processes = aftermath.lives.len();
    report.sends = aftermath.journal.totals();
    report.repeated_downstream = aftermath.arrivals.repeated;
    report.attempts = storage::attempts(stage.postgres.store()).await?;
    stage.strike_down(&mut report).await?;
    Ok(report)
}

impl Stage {
    async fn set(options: &Options) -> anyhow::Result<Self> {
        let folder = options.report.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let work = tempfile::Builder::new().prefix("run-").tempdir_in(folder)?;
        let leash = Leash::new().context("cannot start a shell")?;
        let postgres = Postgres::start().await?;
        let sqs = Sqs::start(&[LEDGER, DOWNSTREAM], leash.group()).await?;
        let mutant = options.mutant.iter();
        let place = Place {
            program: std::env::current_exe()?,
            work: work.path().to_owned(),
            group: leash.group(),
            endpoint: sqs.url(),
            database_url: postgres.url().to_owned(),
            extra: mutant
                .map(|mutant| (MUTANT.to_owned(), mutant.to_string()))
                .collect(),
        };
        Ok(Self {
            work,
            leash,
            postgres,
            sqs,
            place: Arc::new(place),
        })
    }

    /// Lets the fleet work while it is attacked, and come to rest after that.
    async fn storm(
        &self,
        options: &Options,
        toll: &Toll,
        seconds: &mut Seconds,
    ) -> anyhow::Result<Aftermath> {
        let began = Instant::now();
        let journal = Arc::new(Mutex::new(Journal::new(options.seed, options.messages)));
        let producer = Producer {
            client: client(&self.place.endpoint, PRODUCER),
            queue_url: self.place.queue_url(LEDGER),
            journal: Arc::clone(&journal),
            seed: options.seed,
            messages: options.messages,
            span: Duration::from_secs(options.seconds),
        };
        let downstream = self.place.queue_url(DOWNSTREAM);
        let observed = client(&self.place.endpoint, "AKIDOBSERVER");
        let observer = Observer::new(observed, downstream, options.messages);
        let crew = Crew::start(&self.place, options.workers.into(), options.relays.into());
        let (calm, over) = (CancellationToken::new(), CancellationToken::new());
        let nemesis = Nemesis {
            crew: &crew,
            postgres: &self.postgres,
            sqs: &self.sqs,
            toll,
            seed: options.seed,
        };
        let plan = Plan::new(&options.terms()).with_faults(&options.faults);
        let work = async {
            let (struck, ()) = tokio::join!(nemesis.strike(&plan, &calm), producer.run(&calm));
            struck?;
            seconds.storm = began.elapsed().as_secs_f64();
            let calmed = Instant::now();
            let rest = come_to_rest(&self.sqs, self.postgres.store()).await?;
            seconds.calm = calmed.elapsed().as_secs_f64();
            over.cancel();
            anyhow::Ok(rest)
        };
        let progress = async {
            tokio::select! {
                () = over.cancelled() => {}
                () = tell_progress(began, &journal, &observer, toll) => {}
            }
        };
        let (rest, (), ()) = tokio::join!(work, observer.run(&over), progress);
        let rest = rest?;
        Ok(Aftermath {
            lives: crew.leave().await,
            journal: journal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            arrivals: observer.arrivals(),
            rest,
        })
    }

    async fn check(&self, aftermath: &Aftermath) -> anyhow::Result<Verdict> {
        let mut checker = Checker::new(&aftermath.journal);
        let reader = client(&self.place.endpoint, "AKIDREADER");
        let letters = letters::read(&reader, &self.place.queue_url(LEDGER_DLQ)).await?;
        letters.iter().for_each(|letter| checker.dead(letter));
        let depth = self.sqs.depth(LEDGER_DLQ).await?.total();
        if depth != letters.len() as u64 {
            let known = format!("{depth} messages, {} of them were read", letters.len());
            checker.found(Kind::Left, LEDGER_DLQ, &known);
        }
        for number in aftermath.journal.numbers() {
            if aftermath.arrivals.has(number) {
                checker.arrived(number);
            }
        }
        for body in &aftermath.arrivals.foreign {
            checker.arrived_foreign(body);
        }
        storage::tell(self.postgres.store(), &mut checker).await?;
        // Asked again: whoever left may have given something back.
        let rest = Rest::look(&self.sqs, self.postgres.store()).await?;
        for (when, rest) in [
            ("when nothing changed", aftermath.rest),
            ("in the end", rest),
        ] {
            if rest != Rest::default() {
                checker.found(Kind::Left, when, &format!("{rest:?}"));
            }
        }
        let counts = self.sqs.counts().await?;
        for life in &aftermath.lives {
            if let End::Died(how) = &life.end {
                checker.found(Kind::Died, &life.name, how);
            }
            let log = self.work.path().join(format!("{}.stderr", life.name));
            let log =
                std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
            for difference in audit(life, &String::from_utf8_lossy(&log), &counts) {
                checker.found(Kind::Account, &life.name, &difference);
            }
        }
        Ok(checker.verdict())
    }

    /// Ends everything; what the processes wrote is kept if something is wrong.
    async fn strike_down(self, report: &mut Report) -> anyhow::Result<()> {
        self.leash.release().await;
        if !report.verdict.is_whole() {
            report.kept = Some(self.work.keep());
        }
        Ok(())
    }
}

async fn tell_progress(began: Instant, journal: &Mutex<Journal>, observer: &Observer, toll: &Toll) {
    let mut ticks = interval(PROGRESS_PERIOD);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let sent = journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .totals()
            .events;
        let done = toll.done();
        say(&format!(
            "{:>5} s: {sent} sent, {} booked and heard of; {} kills, {} stops, {} crashes of Postgres",
            began.elapsed().as_secs(),
            observer.events(),
            done.kills,
            done.stops,
            done.crashes,
        ));
    }
}
