use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use fleet::dead_letter::{Death, Filter};
use fleet::message::{Message, MessageId};
use fleet::queue::Sqs;
use fleet::service::config::Env;
use fleet::service::retry::Jitter;
use jiff::Timestamp;
use serde::Serialize;

use super::archive::{Archive, Existing};
use super::look::{conclude, hide, look};
use super::record::Record;
use super::removal::{Removed, remove};
use super::target::Target;
use crate::app::App;
use crate::cli::dlq::Purge;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::prompt::{Consent, confirm_by_typing};
use crate::{output, shell};

/// How many messages are named that could not be deleted.
const NAMED_MAX: usize = 20;

/// What was decided to be deleted.
struct Plan {
    ids: HashSet<String>,
    counts: BTreeMap<(&'static str, Option<String>), u64>,
    confirmed_at: Timestamp,
}

/// What was done.
#[derive(Serialize)]
struct Summary {
    queue: String,
    file: String,
    exported: u64,
    deleted: u64,
    not_deleted: u64,
    /// What puts them back.
    restore: String,
}

/// A purge at work.
struct Work<'a> {
    app: &'a App,
    args: &'a Purge,
    target: &'a Target<'a>,
    sqs: &'a Sqs,
    filter: &'a Filter,
    plan: Plan,
    archive: Archive,
    interrupt: &'a Interrupt,
    removed: Removed,
}

/// Deletes messages of a dead-letter queue, once they are in a file.
pub(super) async fn purge(app: &App, args: &Purge, env: &dyn Env) -> Result<(), Exit> {
    let now = Timestamp::now();
    let filter = args.filter.filter(now);
    match (filter.is_empty(), args.all) {
        (true, false) => return Err(Exit::refused("say which messages, or --all")),
        (false, true) => return Err(Exit::refused("say either which messages, or --all")),
        (true, true) | (false, false) => {}
    }
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let mut plan = Plan {
        ids: HashSet::new(),
        counts: BTreeMap::new(),
        confirmed_at: now,
    };
    let see = |death: Death, _| plan.count(death);
    let looked = look(&target, &sqs, &filter, args.scan.scan, &interrupt, see).await?;
    conclude(&target, &looked, &interrupt)?;
    if plan.ids.is_empty() {
        output::note("nothing is deleted");
        return Ok(());
    }
    let path = args
        .export
        .clone()
        .unwrap_or_else(|| file_for(&target, now));
    output::note(plan.table().trim_end());
    let question = format!(
        "{} messages of {} will be written to {} and deleted.",
        plan.ids.len(),
        target.name,
        path.display()
    );
    let consent = Consent::of_flag(&args.yes);
    confirm_by_typing(consent, &question, &target.name, &interrupt).await?;
    plan.confirmed_at = Timestamp::now();
    let work = Work {
        app,
        args,
        target: &target,
        sqs: &sqs,
        filter: &filter,
        plan,
        archive: Archive::begin(&path, Existing::of_flag(&args.force))?,
        interrupt: &interrupt,
        removed: Removed::default(),
    };
    work.run().await
}

impl Work<'_> {
    async fn run(mut self) -> Result<(), Exit> {
        loop {
            let round = self.round().await;
            let is_last = match &round {
                Ok(deleted) => *deleted == 0,
                Err(_) => true,
            };
            // What waited behind a message of its group can be had only when that is gone.
            if is_last || !self.target.is_fifo() || self.interrupt.is_requested() {
                return self.conclude(round.map(drop));
            }
        }
    }

    /// Takes what there is, writes it down, and deletes it; returns how many are deleted.
    async fn round(&mut self) -> Result<u64, Exit> {
        let (mut ids, mut trouble) = (Vec::new(), None);
        let (plan, archive, name) = (&self.plan, &mut self.archive, &self.target.name);
        let is_fifo = self.target.is_fifo();
        let see = |death: Death, message: Message| {
            if !plan.means(&message, is_fifo) || trouble.is_some() {
                return;
            }
            let id = message.id.clone();
            match archive.add(&Record::of(name, &death, message)) {
                Ok(()) => ids.push(id),
                Err(error) => trouble = Some(error),
            }
        };
        let limit = self.args.scan.scan;
        let hiding = hide(
            self.target,
            self.sqs,
            self.filter,
            limit,
            self.interrupt,
            see,
        );
        let (_, hidden) = hiding.await?;
        if self.interrupt.is_requested() {
            ids.clear();
        }
        let written = match trouble {
            Some(error) => Err(error),
            None if ids.is_empty() => Ok(()),
            None => self.archive.complete(),
        };
        if written.is_err() {
            ids.clear();
        }
        let jitter = Jitter::from_entropy();
        let bar = Bar::counting("deleted");
        let removed = remove(hidden, &ids, &jitter, self.interrupt, &bar).await;
        bar.finish();
        let deleted = removed.deleted;
        self.removed.deleted += deleted;
        self.removed.failed.extend(removed.failed);
        self.removed.is_late |= removed.is_late;
        let path = self.archive.path();
        written.with_context(|| format!("{path} cannot be written, nothing of it was deleted"))?;
        Ok(deleted)
    }

    fn conclude(self, round: Result<(), Exit>) -> Result<(), Exit> {
        let Removed {
            deleted,
            failed,
            is_late,
        } = &self.removed;
        let (file, exported) = (self.archive.path(), self.archive.count);
        let words = [self.app.name, "dlq", "import", &self.args.queue.name, &file];
        let summary = Summary {
            queue: self.target.name.clone(),
            exported,
            deleted: *deleted,
            not_deleted: exported - deleted,
            restore: shell::line(words),
            file,
        };
        name_failed(failed);
        if self.args.json {
            output::json(&summary).context("cannot write")?;
        }
        let file = output::escape(summary.file);
        output::note(&format!("{deleted} deleted; {file} has {exported}"));
        if *deleted > 0 {
            output::note(&format!("to have them back: {}", summary.restore));
        }
        round?;
        if self.interrupt.is_requested() {
            return Err(Exit::Interrupted(anyhow!("interrupted")));
        }
        let why = match is_late {
            true => "the look took so long that others may have the rest; --scan takes fewer",
            false => "some could not be deleted",
        };
        match (summary.not_deleted, deleted) {
            (0, _) => Ok(()),
            (_, 0) => Err(Exit::Failed(anyhow!(why))),
            _ => Err(Exit::Partly(anyhow!(why))),
        }
    }
}

impl Plan {
    fn count(&mut self, death: Death) {
        let kind = (death.class.as_str(), death.event_type);
        *self.counts.entry(kind).or_default() += 1;
        self.ids.insert(death.id);
    }

    /// Tells whether a message was dead when the purge was confirmed.
    ///
    /// On a FIFO queue some could not be seen before, but SQS says when they came.
    fn means(&self, message: &Message, is_fifo: bool) -> bool {
        let MessageId(id) = &message.id;
        self.ids.contains(id) || (is_fifo && message.sent_at <= self.confirmed_at)
    }

    fn table(&self) -> String {
        let rows = self.counts.iter().map(|((class, event_type), count)| {
            let event_type = event_type.clone().unwrap_or_else(|| "-".to_owned());
            vec![(*class).to_owned(), event_type, count.to_string()]
        });
        output::table(&["CLASS", "TYPE", "MESSAGES"], rows.collect())
    }
}

/// Names the file of a purge that nobody has named: by queue and time, in the working directory.
fn file_for(target: &Target<'_>, now: Timestamp) -> PathBuf {
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    PathBuf::from(format!("{}-{time}.jsonl", target.name))
}

fn name_failed(failed: &[(MessageId, String)]) {
    for (id, problem) in failed.iter().take(NAMED_MAX) {
        output::note(&output::escape(format!("not deleted: {id}: {problem}")));
    }
    if failed.len() > NAMED_MAX {
        let more = failed.len() - NAMED_MAX;
        output::note(&format!("and {more} more"));
    }
}
