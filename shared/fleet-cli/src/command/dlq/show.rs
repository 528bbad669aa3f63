use std::io;

use anyhow::{Context as _, anyhow};
use fleet::dead_letter::{Death, Filter};
use fleet::message::{Message, PastAttempt};
use fleet::queue::Sqs;
use fleet::service::config::Env;
use jiff::Timestamp;
use serde::Serialize;

use super::look::{conclude, look};
use super::portrait::portrait;
use super::record::Recorded;
use super::target::Target;
use super::words::why;
use crate::app::App;
use crate::cli::dlq::Show;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;

/// How many copies are shown: each may have a body of 1 MiB, and nobody reads more.
const COPIES_MAX: usize = 20;

/// One message of a dead-letter queue, with everything that is known of it.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    pub(super) death: Death,
    /// Why it is here, in words.
    pub(super) why: String,
    pub(super) expires_at: Timestamp,
    /// Who edited it last.
    pub(super) edited_by: Option<String>,
    pub(super) edited_at: Option<Timestamp>,
    /// What went wrong before.
    pub(super) history: Vec<PastAttempt>,
    pub(super) trace_header: Option<String>,
    pub(super) attributes: Recorded,
    pub(super) body: String,
}

/// Shows all copies of one message.
pub(super) async fn show(app: &App, args: &Show, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let filter = Filter {
        ids: vec![args.id.clone()],
        ..Filter::default()
    };
    let retention = target.attributes.retention;
    let (mut found, mut left_out) = (Vec::new(), 0);
    let see = |death, message| match found.len() < COPIES_MAX {
        true => found.push(Shown::of(death, message, retention)),
        false => left_out += 1,
    };
    let mut looked = look(&target, &sqs, &filter, args.scan.scan, &interrupt, see).await?;
    found.sort_by(|a, b| (a.death.at(), &a.death.id).cmp(&(b.death.at(), &b.death.id)));
    if found.is_empty() {
        looked.unfound.clear();
        conclude(&target, &looked, &interrupt)?;
        let (name, id) = (&target.name, &args.id);
        return Err(anyhow!("no message that could be seen in {name} has the id {id}").into());
    }
    match (args.raw, args.json) {
        (true, _) => raw(&found)?,
        (false, true) => output::json(&found).context("cannot write")?,
        (false, false) => {
            let portraits = found.iter().map(|shown| {
                let words = [app.name, &args.queue.name];
                portrait(shown, words, Timestamp::now())
            });
            let text = portraits.collect::<Vec<_>>().join("\n");
            output::data(&text).context("cannot write")?;
        }
    }
    if left_out > 0 {
        output::note(&format!("{left_out} more copies are not shown"));
    }
    conclude(&target, &looked, &interrupt)
}

/// Writes a body byte by byte, or, where it would reach a terminal, escaped.
fn raw(found: &[Shown]) -> Result<(), Exit> {
    let body = &found[0].body;
    if found.iter().any(|other| other.body != *body) {
        let ids: Vec<_> = found.iter().map(|other| &*other.death.id).collect();
        return Err(Exit::refused(format!(
            "there are copies with other bodies; name one by its MessageId: {}",
            ids.join(", ")
        )));
    }
    let written: io::Result<()> = match output::is_shown() {
        true => output::data(&output::escape_lines(body)),
        false => output::bytes(body.as_bytes()),
    };
    Ok(written.context("cannot write")?)
}

impl Shown {
    fn of(death: Death, message: Message, retention: std::time::Duration) -> Self {
        let failure = message.failure;
        let edit = failure.as_ref().and_then(|failure| failure.edited.as_ref());
        Self {
            why: why(&death),
            expires_at: death.expires_at(retention),
            edited_by: edit.map(|edit| edit.by.clone()),
            edited_at: edit.map(|edit| edit.at),
            history: failure.map_or_else(Vec::new, |failure| failure.history),
            trace_header: message.trace_header,
            attributes: Recorded::of(&message.attributes),
            body: message.body,
            death,
        }
    }
}
