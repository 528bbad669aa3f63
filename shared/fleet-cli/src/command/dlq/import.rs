use std::path::Path;

use anyhow::Context as _;
use fleet::dead_letter::{Death, Filter};
use fleet::message::Outgoing;
use fleet::queue::{ClientOptions, Sqs, SqsQueue};
use fleet::service::config::Env;
use fleet::store::{EVENTS_KEPT, PostgresStore};
use jiff::Timestamp;
use uuid::Uuid;

use super::identity::{Known, Read};
use super::imported::Imported;
use super::look::{conclude, look};
use super::record::{LINE_BYTES_MAX, Record};
use super::target::{Target, trouble_without};
use crate::app::App;
use crate::cli::dlq::{Import, SCAN_MAX};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::progress::Bar;
use crate::prompt::{Consent, confirm};
use crate::sending::{NoQueue, Sender, TOGETHER_MAX};
use crate::{database, output, settings};

/// How many bytes of messages are gathered before they are sent.
const TOGETHER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is done with the lines that are fit.
enum Purpose<'a> {
    Count,
    Send(Sender<'a>),
}

/// A line that is ready to be sent.
struct Ready {
    place: String,
    death: Death,
    message: Outgoing,
}

/// What lines are judged by.
struct Desk<'a> {
    args: &'a Import,
    target: &'a Target<'a>,
    store: Option<&'a PostgresStore>,
    known: Known,
    interrupt: &'a Interrupt,
    /// Whether a pass before has said what is wrong with which line.
    has_told: bool,
    /// Tells this import from others where SQS deduplicates.
    run: Uuid,
    now: Timestamp,
}

/// Sends exported messages into a dead-letter queue again.
pub(super) async fn import(app: &App, args: &Import, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let is_piped = args.file.as_os_str() == "-";
    if is_piped && !args.yes && !args.dry_run {
        return Err(Exit::refused(
            "stdin can be read only once: say --yes or --dry-run",
        ));
    }
    // A file that is not there is a mistake that need not wait for SQS.
    let mut lines = open(&args.file)?;
    let store = match settings::database_if_named(env)? {
        Some(database) => Some(database::beside_work(&database)?),
        None => None,
    };
    if let Some(store) = &store {
        database::check_runtime(store, app).await?;
    }
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let queue = sqs.queue(&target.url, ClientOptions::calling());
    let known = present(&target, &sqs, args, &interrupt).await?;
    let mut desk = Desk {
        args,
        target: &target,
        store: store.as_ref(),
        known,
        interrupt: &interrupt,
        has_told: false,
        run: Uuid::now_v7(),
        now: Timestamp::now(),
    };
    if !is_piped || args.dry_run {
        let known = desk.known.clone();
        let planned = desk.go_through(lines, &Purpose::Count).await?;
        if args.dry_run {
            return planned.report(args, &interrupt, &target);
        }
        output::note(&planned.told("to be sent"));
        if planned.sent > 0 {
            let question = format!("Send {} messages to {}?", planned.sent, target.name);
            confirm(Consent::of_flag(&args.yes), &question, &interrupt).await?;
        }
        desk.known = known;
        desk.has_told = true;
        lines = open(&args.file)?;
    }
    let sent = desk.go_through(lines, &sending(&queue)).await?;
    sent.report(args, &interrupt, &target)
}

fn sending(queue: &SqsQueue) -> Purpose<'_> {
    Purpose::Send(Sender::to(queue))
}

fn open(path: &Path) -> Result<Lines, Exit> {
    let lines = Lines::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(lines.longest(LINE_BYTES_MAX))
}

/// Looks at what the queue has already.
async fn present(
    target: &Target<'_>,
    sqs: &Sqs,
    args: &Import,
    interrupt: &Interrupt,
) -> Result<Known, Exit> {
    let mut known = Known::default();
    let see = |death: Death, message| known.add(&death, &message);
    let everything = Filter::default();
    let looked = look(target, sqs, &everything, SCAN_MAX, interrupt, see).await?;
    conclude(target, &looked, interrupt)?;
    if !looked.scanned.is_complete && !args.force {
        return Err(Exit::refused(format!(
            "{} holds more than can be looked at, so events could come twice; --force sends all \
             the same",
            target.name
        )));
    }
    Ok(known)
}

impl Desk<'_> {
    /// Goes through all lines; ends early when it is interrupted.
    async fn go_through(&mut self, lines: Lines, purpose: &Purpose<'_>) -> Result<Imported, Exit> {
        let bar = Bar::counting("lines read");
        let name = lines.name.clone();
        let (mut summary, mut read) = (Imported::default(), Read::default());
        let (mut ready, mut bytes) = (Vec::new(), 0);
        for (number, line) in lines {
            bar.advance(1);
            let place = format!("{name}:{number}");
            let line = line.map_err(|error| error.to_string());
            match line.and_then(|line| self.judge(&place, &line, &mut read, &mut summary)) {
                Ok(Some(line)) => {
                    bytes += line.message.size_bytes();
                    ready.push(line);
                }
                Ok(None) => {}
                Err(problem) => {
                    summary.not_sent += 1;
                    self.tell(&bar, &place, &problem);
                }
            }
            if ready.len() == TOGETHER_MAX || bytes >= TOGETHER_BYTES_MAX {
                bytes = 0;
                let ready = std::mem::take(&mut ready);
                self.send(ready, purpose, &bar, &mut summary).await?;
            }
            if self.interrupt.is_requested() {
                bar.finish();
                return Ok(summary);
            }
        }
        self.send(ready, purpose, &bar, &mut summary).await?;
        bar.finish();
        Ok(summary)
    }

    /// Reads a line; `None` when its event need not be sent.
    fn judge(
        &mut self,
        place: &str,
        line: &str,
        read: &mut Read,
        summary: &mut Imported,
    ) -> Result<Option<Ready>, String> {
        let record = Record::read(line).map_err(|error| format!("{error:#}"))?;
        let message = record.message().map_err(|error| format!("{error:#}"))?;
        let death = Death::of(&message, &self.target.origin());
        if !read.is_new(&death, &message) {
            summary.repeated += 1;
            return Ok(None);
        }
        if self.known.takes(&death, &message) {
            summary.there += 1;
            return Ok(None);
        }
        let remembered = self.now.checked_sub(EVENTS_KEPT);
        if !self.args.force && remembered.is_ok_and(|since| death.first_sent_at < since) {
            summary.too_old += 1;
            return Ok(None);
        }
        let id = format!("im:{}:{}", self.run, death.id);
        let deduplication_id = self.target.is_fifo().then_some(id);
        let message = record
            .outgoing(deduplication_id)
            .map_err(|error| format!("{error:#}"))?;
        Ok(Some(Ready {
            place: place.to_owned(),
            death,
            message,
        }))
    }

    /// Sends what is not done yet, or counts it.
    async fn send(
        &self,
        ready: Vec<Ready>,
        purpose: &Purpose<'_>,
        bar: &Bar,
        summary: &mut Imported,
    ) -> Result<(), Exit> {
        let ready = self.undone(ready, bar, summary).await?;
        let Purpose::Send(sender) = purpose else {
            summary.sent += ready.len() as u64;
            return Ok(());
        };
        let (places, messages): (Vec<_>, Vec<_>) = ready
            .into_iter()
            .map(|line| (line.place, line.message))
            .unzip();
        let answers = sender.send(&messages).await;
        let answers = answers.map_err(|NoQueue| trouble_without(&self.target.name))?;
        for (place, answer) in places.iter().zip(answers) {
            match answer {
                Ok(()) => summary.sent += 1,
                Err(problem) => {
                    summary.not_sent += 1;
                    refuse(bar, place, &problem);
                }
            }
        }
        Ok(())
    }

    /// Says what is wrong with a line, once.
    fn tell(&self, bar: &Bar, place: &str, problem: &str) {
        if !self.has_told {
            refuse(bar, place, problem);
        }
    }

    /// Names what the database knows to be done, and returns the rest.
    async fn undone(
        &self,
        mut ready: Vec<Ready>,
        bar: &Bar,
        summary: &mut Imported,
    ) -> Result<Vec<Ready>, Exit> {
        let Some(store) = self.store.filter(|_| !self.args.force) else {
            return Ok(ready);
        };
        let mut consumers: Vec<_> = ready
            .iter()
            .filter_map(|l| l.death.consumer.clone())
            .collect();
        consumers.sort();
        consumers.dedup();
        for consumer in consumers {
            let is_its = |line: &Ready| line.death.consumer.as_ref() == Some(&consumer);
            let (its, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(is_its);
            let keys: Vec<_> = its.iter().map(|line| line.death.key.clone()).collect();
            let done = store.events_done(&consumer, &keys).await;
            let done = done.context("the database cannot be asked what is done")?;
            ready = others;
            for (index, line) in its.into_iter().enumerate() {
                if done.contains(&index) {
                    summary.done += 1;
                    let (place, key) = (&line.place, &line.death.key);
                    self.tell(bar, place, &format!("{key} is done already"));
                } else {
                    ready.push(line);
                }
            }
        }
        Ok(ready)
    }
}

fn refuse(bar: &Bar, place: &str, problem: &str) {
    bar.note(&output::escape(format!("{place}: {problem}")));
}
