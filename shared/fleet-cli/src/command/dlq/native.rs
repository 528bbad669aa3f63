//! `dlq replay --native`: SQS's own move task, with its progress.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use fleet::queue::{MOVES_PER_SECOND_MAX, MoveTask, Sqs};
use fleet::service::config::{Env, RateLimit};
use fleet::store::{NewReplay, PostgresStore, ReplayKind, ReplayState};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::sleep;

use super::replay::Place;
use super::target::{Target, trouble};
use crate::app::App;
use crate::cli::replay::Replay;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::prompt::{Consent, confirm};
use crate::{database, operator, output, settings};

/// How often SQS is asked how far it is.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// How often in a row it may give no answer to that.
const LOOKS_FAILED_MAX: u32 = 30;

/// What a move task has done.
#[derive(Serialize)]
struct Outcome {
    id: Option<i64>,
    status: String,
    queue: String,
    destination: String,
    moved: u64,
    failure: Option<String>,
}

/// Lets SQS move everything, and looks on.
pub(super) async fn replay(app: &App, args: &Replay, env: &dyn Env) -> Result<(), Exit> {
    let rate = args.rate.map(whole_rate).transpose()?;
    let interrupt = Interrupt::listen()?;
    let store = journal(app, env).await?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let place = Place::find(app, env, &sqs, &target, args.to.as_deref()).await?;
    let depth = target.depth();
    output::note(&output::escape(format!(
        "SQS moves all of about {depth} messages from {} to {}, with the failure that they carry, \
         whatever they died of; nothing is written down of each, and a copy moved twice is done \
         once only by a consumer of the fleet",
        target.name, place.name
    )));
    let question = format!("Move about {depth} messages?");
    confirm(Consent::of_flag(&args.yes), &question, &interrupt).await?;
    let new = NewReplay {
        kind: ReplayKind::Native,
        queue: target.name.clone(),
        destination: place.name.clone(),
        consumer: place.consumer.map(str::to_owned),
        filter: "{}".to_owned(),
        rate: rate.map(f64::from),
        who: operator::who(env),
        cut_at: Timestamp::now(),
        messages_max: None,
    };
    let id = match &store {
        Some(store) => Some(
            store
                .begin_replay(&new)
                .await
                .context("it cannot be written down")?,
        ),
        None => None,
    };
    let started = sqs.start_move(&target.url, place.url(), rate).await;
    let task = match started {
        Ok(handle) => look_on(&sqs, &target, &handle, depth, &interrupt).await,
        Err(error) => Err(trouble(&target.name, error)),
    };
    let written = write_down(store.as_ref(), id, &task).await;
    let outcome = outcome(id, &target, &place, task?);
    match args.json {
        true => output::json(&outcome),
        false => output::data(&format!(
            "{} of about {depth} messages were moved from {} to {}\n",
            outcome.moved,
            output::escape(outcome.queue.clone()),
            output::escape(outcome.destination.clone())
        )),
    }
    .context("cannot write")?;
    written?;
    end(&outcome, &interrupt)
}

/// Opens the journal where there is a database; a move task works without.
async fn journal(app: &App, env: &dyn Env) -> Result<Option<PostgresStore>, Exit> {
    let Some(database) = settings::database_if_named(env)? else {
        output::note("without DATABASE_URL it is not written down who did this");
        return Ok(None);
    };
    let store = database::beside_work(&database)?;
    database::check_runtime(&store, app).await?;
    Ok(Some(store))
}

/// Move tasks know whole messages a second only.
fn whole_rate(rate: RateLimit) -> Result<u32, Exit> {
    let whole = u32::try_from(rate.thousandths() / 1_000).unwrap_or(u32::MAX);
    let is_whole = rate.thousandths().is_multiple_of(1_000);
    match is_whole && (1..=MOVES_PER_SECOND_MAX).contains(&whole) {
        true => Ok(whole),
        false => Err(Exit::refused(format!(
            "SQS moves 1 to {MOVES_PER_SECOND_MAX} messages a second, in whole numbers; say such \
             a --rate, or leave --native away"
        ))),
    }
}

/// Shows how far the task is until it is over, and cancels it when somebody wants that.
async fn look_on(
    sqs: &Sqs,
    target: &Target<'_>,
    handle: &str,
    depth: u64,
    interrupt: &Interrupt,
) -> Result<MoveTask, Exit> {
    let bar = Bar::towards(depth, "moved");
    let (mut shown, mut failed, mut is_cancelled) = (0, 0, false);
    loop {
        match sqs.latest_move(&target.url).await {
            Ok(Some(task)) => {
                failed = 0;
                bar.advance(task.moved.saturating_sub(shown));
                shown = shown.max(task.moved);
                if !task.is_under_way() {
                    bar.finish();
                    return Ok(task);
                }
            }
            Ok(None) => failed += 1,
            Err(error) if failed >= LOOKS_FAILED_MAX => {
                bar.finish();
                return Err(trouble(&target.name, error));
            }
            Err(_) => failed += 1,
        }
        if interrupt.is_requested() && !is_cancelled {
            // One that is over by now cannot be cancelled: the next look tells.
            is_cancelled = sqs.cancel_move(handle).await.is_ok();
        }
        tokio::select! {
            () = sleep(LOOK_PERIOD) => {}
            () = interrupt.requested(), if !interrupt.is_requested() => {}
        }
    }
}

async fn write_down(
    store: Option<&PostgresStore>,
    id: Option<i64>,
    task: &Result<MoveTask, Exit>,
) -> Result<(), Exit> {
    let (Some(store), Some(id)) = (store, id) else {
        return Ok(());
    };
    let (state, reason, moved) = match task {
        Ok(task) if task.is_complete() => (ReplayState::Done, None, Some(task.moved)),
        Ok(task) => {
            let why = task.failure.clone();
            let why = why.unwrap_or_else(|| task.status.to_ascii_lowercase());
            (ReplayState::Stopped, Some(why), Some(task.moved))
        }
        Err(_) => {
            let why = "SQS gave no answer, or refused".to_owned();
            (ReplayState::Stopped, Some(why), None)
        }
    };
    let ended = store.end_replay(id, state, reason.as_deref(), moved).await;
    Ok(ended.context("its end cannot be written down")?)
}

fn outcome(id: Option<i64>, target: &Target<'_>, place: &Place<'_>, task: MoveTask) -> Outcome {
    Outcome {
        id,
        status: task.status.to_ascii_lowercase(),
        queue: target.name.clone(),
        destination: place.name.clone(),
        moved: task.moved,
        failure: task.failure,
    }
}

fn end(outcome: &Outcome, interrupt: &Interrupt) -> Result<(), Exit> {
    let why = || {
        let failure = outcome.failure.as_deref().unwrap_or(&outcome.status);
        anyhow!("the move task did not come to its end: {failure}")
    };
    match outcome.status.as_str() {
        "completed" => Ok(()),
        _ if interrupt.is_requested() => Err(Exit::Interrupted(anyhow!("cancelled"))),
        _ if outcome.moved == 0 => Err(Exit::Failed(why())),
        _ => Err(Exit::Partly(why())),
    }
}
