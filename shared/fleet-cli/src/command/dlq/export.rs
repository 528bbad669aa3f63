use std::io;

use anyhow::{Context as _, anyhow};
use fleet::queue::Sqs;
use fleet::service::config::Env;
use jiff::Timestamp;

use super::archive::{Archive, Existing};
use super::look::{conclude, look_verbatim};
use super::record::Record;
use super::target::Target;
use crate::app::App;
use crate::cli::dlq::Export;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// Where exported messages go.
enum Sink {
    Stdout,
    File(Archive),
}

/// Writes the messages of a dead-letter queue as JSON lines.
pub(super) async fn export(app: &App, args: &Export, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let filter = args.filter.filter(Timestamp::now());
    let mut sink = match &args.out {
        Some(path) => Sink::File(Archive::begin(path, Existing::of_flag(&args.force))?),
        None => Sink::Stdout,
    };
    let mut trouble = None;
    let see = |death, message| {
        let record = Record::of(&target.name, &death, message);
        if trouble.is_none() {
            trouble = sink.write(&record).err();
        }
    };
    let limit = args.scan.scan;
    let looked = look_verbatim(&target, &sqs, &filter, limit, &interrupt, see).await;
    let written = match trouble {
        Some(error) => Err(anyhow!(error).context("cannot write")),
        None => Ok(()),
    };
    let looked = match (looked, written) {
        (Ok(looked), Ok(())) => looked,
        (looked, written) => {
            sink.tell_partial();
            return looked.and(Ok(written?)).map(drop);
        }
    };
    if interrupt.is_requested() {
        sink.tell_partial();
        return conclude(&target, &looked, &interrupt);
    }
    if let Sink::File(archive) = &mut sink {
        let completed = archive.complete();
        completed.with_context(|| format!("{} cannot be completed", archive.path()))?;
        let path = output::escape(archive.path());
        output::note(&format!("{} exported to {path}", archive.count));
    }
    conclude(&target, &looked, &interrupt)
}

impl Sink {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        match self {
            Self::Stdout => output::data(&record.line()),
            Self::File(archive) => archive.add(record),
        }
    }

    /// Says that something is missing in the file.
    fn tell_partial(&self) {
        if let Self::File(archive) = self {
            let (path, count) = (output::escape(archive.path()), archive.count);
            output::note(&format!("{path} has {count} messages, and is not complete"));
        }
    }
}
