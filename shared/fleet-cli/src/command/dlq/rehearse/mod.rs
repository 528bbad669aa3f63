//! `dlq replay --rehearse`: what this build would make of dead letters, without doing it.

/// What is rehearsed.
mod cast;

/// What came of it.
mod verdicts;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use fleet::consume::RehearsalError;
use fleet::queue::Sqs;
use fleet::service::config::Env;
use fleet::store::PostgresStore;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use self::cast::{Cast, Play};
use self::verdicts::Verdicts;
use super::look::{conclude, look};
use super::target::Target;
use crate::app::App;
use crate::cli::dlq::FilterArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::{database, output, settings};

/// How many events are rehearsed when nobody says how many.
const EVENTS_MAX: u64 = 1_000;

/// How many handlers run at once: they take locks beside live work.
const PARALLEL: usize = 4;

/// What is rehearsed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rehearsing<'a> {
    pub(super) queue: &'a str,
    pub(super) filter: &'a FilterArgs,
    /// How many messages are looked at.
    pub(super) scan: u64,
    /// How many events are rehearsed.
    pub(super) max: Option<u64>,
    pub(super) json: bool,
}

/// Rehearses dead letters and says what would become of them.
pub(super) async fn rehearse(app: &App, args: Rehearsing<'_>, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let store = database::for_rehearsals(&settings::database(env)?, PARALLEL)?;
    database::check_runtime(&store, app).await?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, args.queue).await?;
    let filter = args.filter.filter(Timestamp::now());
    let mut cast = Cast::new(args.max.unwrap_or(EVENTS_MAX));
    let see = |death, message| cast.take_in(death, message);
    let scanned = look(&target, &sqs, &filter, args.scan, &interrupt, see).await?;
    if interrupt.is_requested() {
        return conclude(&target, &scanned, &interrupt);
    }
    let plays = cast.plays(app, env)?;
    let mut verdicts = Verdicts::new(&target.name, cast.copies, cast.left_out);
    let played = play(plays, &store, &mut verdicts, &interrupt).await;
    // What was cancelled is rolled back aside.
    store.close().await;
    played?;
    match args.json {
        true => output::json(&verdicts.summary()),
        false => output::data(&verdicts.text()),
    }
    .context("cannot write")?;
    conclude(&target, &scanned, &interrupt)?;
    verdicts.conclude()
}

/// Runs the handlers, a few at once, until all have run or somebody interrupts.
async fn play(
    plays: Vec<Play<'_>>,
    store: &PostgresStore,
    verdicts: &mut Verdicts,
    interrupt: &Interrupt,
) -> Result<(), Exit> {
    say_where_handlers_panic();
    let bar = Bar::counting("rehearsed");
    let mut running = stream::iter(plays)
        .map(|play| play.run(store))
        .buffer_unordered(PARALLEL);
    let ended = loop {
        let next = tokio::select! {
            biased;
            () = interrupt.requested() => break Ok(()),
            next = running.next() => next,
        };
        match next {
            None => break Ok(()),
            Some((death, Ok(rehearsal))) => verdicts.note(&death, &rehearsal),
            Some((_, Err(refusal @ RehearsalError::OutsideEffect { .. }))) => {
                break Err(cast::refused(&[refusal]));
            }
            Some((_, Err(error @ RehearsalError::Database))) => {
                break Err(Exit::Failed(anyhow!(error)));
            }
        }
        bar.advance(1);
    };
    bar.finish();
    ended
}

/// Says of each place once that a handler panicked there. What it said of the message stays out.
fn say_where_handlers_panic() {
    let said = Mutex::new(BTreeSet::new());
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(place.clone()) {
            output::note(&format!("panicked at {place}"));
        }
    }));
}
