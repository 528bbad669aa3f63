//! `dlq replay`: the plan, the question, the replay, and what is said of it.

/// Where it goes.
mod destination;

/// Whether somebody is there to take it.
mod readiness;

/// What is said before.
mod plan;

/// What the journal says of one that is to go on.
mod record;

/// What is done, new or gone on with.
mod job;

/// What became of what was sent.
mod watch;

/// What is said afterwards.
mod summary;

use anyhow::Context as _;
use fleet::queue::Sqs;
use fleet::service::config::Env;

pub(super) use self::destination::Place;
use self::job::Job;
use self::plan::Plan;
use super::target::Target;
use crate::app::App;
use crate::cli::replay::Replay;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::prompt::{Consent, confirm};
use crate::{database, output, settings};

/// Replays dead letters: shows a plan, asks, and does it.
pub(super) async fn replay(app: &App, args: &Replay, env: &dyn Env) -> Result<(), Exit> {
    let interrupt = Interrupt::listen()?;
    let store = database::for_journal(&settings::database(env)?)?;
    database::check_runtime(&store, app).await?;
    let sqs = Sqs::connect().await;
    let target = Target::find(app, env, &sqs, &args.queue.name).await?;
    let job = match args.resume {
        Some(id) => Job::resumed(&store, &target, args, id).await?,
        None => Job::new(args, env),
    };
    let named = args.to.as_deref().or(job.destination.as_deref());
    let place = Place::find(app, env, &sqs, &target, named).await?;
    let job = job.of_origin(&target, &place);
    readiness::check(&store, &place, args).await?;
    let scene = job::Scene {
        app,
        args,
        store: &store,
        sqs: &sqs,
        target: &target,
        place: &place,
        interrupt: &interrupt,
    };
    let plan = Plan::make(&scene, &job).await?;
    if args.dry_run {
        let shown = match args.json {
            true => output::json(&plan),
            false => output::data(&plan.text()),
        };
        shown.context("cannot write")?;
        return plan.check(app.name, args);
    }
    output::note(plan.text().trim_end());
    plan.check(app.name, args)?;
    if plan.is_empty() && args.resume.is_none() {
        output::note("there is nothing to replay");
        return summary::nothing(args);
    }
    let consent = Consent::of_flag(&args.yes);
    confirm(consent, &plan.question(), &interrupt).await?;
    job.run(&scene, plan.messages()).await
}
