use anyhow::anyhow;
use fleet::Consumer;
use fleet::consume::Worker;
use fleet::queue::Sqs;
use fleet::service::config::{Env, Loaded};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::drain::{self, Watched};
use crate::app::App;
use crate::cli::Run;
use crate::crew::{self, Site};
use crate::exit::Exit;
use crate::host::{Host, runtime};
use crate::presence::Presence;
use crate::{database, settings};

/// Runs consumers until SIGTERM, or until their queues are empty.
pub(crate) fn run(mut app: App, args: Run, env: &dyn Env) -> Result<(), Exit> {
    let queues = settings::known_queues(env, &app.consumers);
    let consumers = choose(&mut app, &args.consumers)?;
    let Loaded { settings, report } =
        settings::serving(env, &consumers.iter().collect::<Vec<_>>())?;
    let store = database::for_work(&settings.database)?;
    let runtime = runtime()?;
    let host = Host::start(&app, &settings.service, runtime.handle())?;
    host.warn(&report.warnings);
    runtime.block_on(async {
        let sqs = Sqs::connect().await;
        let site = Site {
            settings: &settings,
            queues: &queues,
            sqs: &sqs,
            store: &store,
            host: &host,
            refit: app.refit.as_ref(),
        };
        let ended = serve(&app, consumers, &site, &args).await;
        store.close().await;
        host.stop().await;
        ended
    })
}

async fn serve(
    app: &App,
    consumers: Vec<Consumer>,
    site: &Site<'_>,
    args: &Run,
) -> Result<(), Exit> {
    let deadline = args.timeout.map(|limit| Instant::now() + limit);
    // Boxed: it holds a call of the SDK, and only for a moment.
    let preparing = Box::pin(async {
        let workers = crew::recruit_all(consumers, site).await?;
        let presence = Presence::begin(app, "run", site, &workers)?;
        crew::await_schema(site, app).await;
        Ok((workers, presence))
    });
    let (workers, presence) = drain::within(deadline, site.host, preparing).await?;
    let watched: Vec<_> = workers
        .iter()
        .zip(&site.settings.consumers)
        .map(|(worker, config)| Watched::new(config, site.sqs, worker.progress()))
        .collect();
    presence.serve(&workers);
    let mut working = start(workers, site.host);
    site.host.health.set_started();
    let drained = if args.drain {
        let drained = drain::until_empty(&watched, deadline, &site.host.shutdown).await;
        site.host.shutdown.request();
        drained
    } else {
        Ok(())
    };
    let finished = finish(&mut working).await;
    presence.end().await;
    finished.and(drained)
}

/// Sets workers to work, each in a task of its own.
pub(crate) fn start(workers: Vec<Worker>, host: &Host) -> JoinSet<()> {
    let mut working = JoinSet::new();
    for worker in workers {
        let (aside, shutdown) = (host.aside().clone(), host.shutdown.clone());
        working.spawn(async move { worker.run(&aside, &shutdown).await });
    }
    working
}

/// Waits until every worker has drained.
pub(crate) async fn finish(working: &mut JoinSet<()>) -> Result<(), Exit> {
    while let Some(ended) = working.join_next().await {
        ended.map_err(|error| anyhow!(error).context("a consumer ended early"))?;
    }
    Ok(())
}

/// Takes the named consumers out of the registration list; all when none is named.
fn choose(app: &mut App, names: &[String]) -> Result<Vec<Consumer>, Exit> {
    for name in names {
        app.find(name)?;
    }
    let consumers = std::mem::take(&mut app.consumers);
    let is_chosen =
        |consumer: &Consumer| names.is_empty() || names.iter().any(|name| name == consumer.name());
    let chosen: Vec<_> = consumers.into_iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        return Err(Exit::refused("this program has no consumers"));
    }
    Ok(chosen)
}
