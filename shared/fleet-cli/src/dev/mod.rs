//! `dev`: everything at once on this machine.

mod overlay;

mod loopback;

mod embedded;

mod feed;

mod summary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Arg, ArgMatches, Command, value_parser};
use fleet::Consumer;
use fleet::consume::{Progress, Worker};
use fleet::queue::Sqs;
use fleet::service::config::{Env, Loaded};
use fleet::store::{self, MigrateOptions};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::app::App;
use crate::cli::Dev;
use crate::command::migrate::ended_by;
use crate::command::relay::publish;
use crate::command::run;
use crate::crew::{self, Site};
use crate::exit::Exit;
use crate::host::{Host, runtime};
use crate::lines::Lines;
use crate::presence::Presence;
use crate::{database, output, settings};

use embedded::Embedded;
use feed::Feed;
use overlay::{Addresses, Overlay};
use summary::Summary;

/// The name under which the input file is kept among the matches.
const INPUT: &str = "input";

/// How long the embedded parts may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Adds the flag of the application's front door to `dev`.
pub(crate) fn with_intake(command: Command, noun: &'static str) -> Command {
    command.mut_subcommand("dev", |dev| {
        dev.arg(
            Arg::new(INPUT)
                .long(noun)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!("Place {noun} from a file of JSON lines, or from stdin (`-`), through the real path")),
        )
        .after_help(format!("Examples:\n  {{program}} dev\n  {{program}} dev --{noun} FILE --drain\n  {{program}} dev --{noun} - --drain --json < FILE"))
    })
}

/// Returns the input file that was named, if the application has a front door.
pub(crate) fn input(matches: &ArgMatches) -> Option<PathBuf> {
    let (_, dev) = matches.subcommand()?;
    dev.try_get_one::<PathBuf>(INPUT).ok().flatten().cloned()
}

/// Runs everything on this machine until Ctrl-C, or until the input is worked off.
pub(crate) fn dev(
    mut app: App,
    args: Dev,
    input: Option<PathBuf>,
    env: &dyn Env,
) -> Result<(), Exit> {
    // Before anything is started: what is wrong ends at once.
    loopback::check(env)?;
    let provisional = Overlay::new(
        env,
        &Addresses::provisional(env),
        &app.consumers,
        args.drain,
    );
    let consumers: Vec<_> = app.consumers.iter().collect();
    let checked = settings::serving(&provisional, &consumers)?.settings;
    let lines = input.map(|path| open(&path)).transpose()?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let embedded = Embedded::start(&app, env, &checked.database.schema).await?;
        let ended = work(&mut app, &args, lines, &embedded, env).await;
        if tokio::time::timeout(STOP_PATIENCE, embedded.stop())
            .await
            .is_err()
        {
            output::note("the private database did not end in time");
        }
        ended
    });
    // A line that somebody is still typing at stdin holds nobody up.
    runtime.shutdown_background();
    ended
}

async fn work(
    app: &mut App,
    args: &Dev,
    lines: Option<Lines>,
    embedded: &Embedded,
    env: &dyn Env,
) -> Result<(), Exit> {
    let consumers = std::mem::take(&mut app.consumers);
    let addresses = embedded.addresses();
    let overlay = Overlay::new(env, addresses, &consumers, args.drain);
    let Loaded { settings, report } =
        settings::serving(&overlay, &consumers.iter().collect::<Vec<_>>())?;
    let queues = settings::known_queues(&overlay, &consumers);
    let store = database::for_work(&settings.database)?;
    let host = Host::start(app, &settings.service, &Handle::current())?;
    host.warn(&report.warnings);
    let sqs = Sqs::local(&addresses.endpoint);
    let site = Site {
        settings: &settings,
        queues: &queues,
        sqs: &sqs,
        store: &store,
        host: &host,
        refit: app.refit.as_ref(),
    };
    let ended = serve(app, args, consumers, lines, &site, addresses).await;
    store.close().await;
    host.stop().await;
    ended
}

async fn serve(
    app: &App,
    args: &Dev,
    consumers: Vec<Consumer>,
    lines: Option<Lines>,
    site: &Site<'_>,
    addresses: &Addresses,
) -> Result<(), Exit> {
    let host = site.host;
    if addresses.has_given_database {
        let again = site.store.send_again().await.context("DATABASE_URL")?;
        tracing::info!(events = again, "events without an effect are sent again");
    }
    let workers = crew::recruit_all(consumers, site).await?;
    let progress: Vec<_> = workers.iter().map(Worker::progress).collect();
    let presence = Presence::begin(app, "dev", site, &workers)?;
    presence.serve(&workers);
    let mut working = run::start(workers, host);
    host.health.set_started();
    if !args.drain {
        announce(site, addresses);
    }
    let following = follow(app, args, lines, site, &progress);
    // The relay ends when the shutdown begins, which the follower requests at its end.
    let ((), ended) = tokio::join!(publish(site), following);
    let finished = run::finish(&mut working).await;
    presence.end().await;
    finished.and(ended)
}

/// Feeds the input and waits for its end, or for Ctrl-C; then requests the shutdown.
async fn follow(
    app: &App,
    args: &Dev,
    lines: Option<Lines>,
    site: &Site<'_>,
    progress: &[Arc<Progress>],
) -> Result<(), Exit> {
    let Site { store, host, .. } = site;
    let stop = &host.shutdown.stop_receiving;
    let started = Instant::now();
    let followed = async {
        let feed = Feed::new(site, progress);
        let (read, is_whole) = match (&app.intake, lines) {
            (Some(intake), Some(lines)) => feed.place(intake.as_ref(), lines).await?,
            _ => (feed::Read::default(), true),
        };
        if !args.drain {
            // Everything stays up until Ctrl-C.
            return std::future::pending().await;
        }
        feed.until_settled(&read).await?;
        let summary = Summary::collect(app, store, read, progress, started.elapsed()).await?;
        summary.print(args.json).context("cannot write")?;
        match is_whole {
            true => Ok(()),
            false => Err(Exit::Partly(anyhow!("the input was not read to its end"))),
        }
    };
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => match args.drain {
            true => Err(Exit::Interrupted(anyhow!(
                "interrupted before everything was done"
            ))),
            false => Ok(()),
        },
        ended = followed => ended,
    };
    host.shutdown.request();
    ended
}

/// Prints where everything is.
fn announce(site: &Site<'_>, addresses: &Addresses) {
    // The password of a private cluster dies with it; one that was given is a secret.
    let database = match addresses.has_given_database {
        true => "as DATABASE_URL says".to_owned(),
        false => addresses.database_url.clone(),
    };
    let mut rows = vec![
        vec!["SQS".to_owned(), addresses.endpoint.clone()],
        vec!["Postgres".to_owned(), database],
        vec![
            "probes, metrics".to_owned(),
            format!("http://{}", site.host.admin_addr),
        ],
    ];
    for consumer in &site.settings.consumers {
        let name = format!("queue of {}", consumer.name);
        rows.push(vec![name, consumer.queue_url.as_str().to_owned()]);
    }
    // Nobody has to read it.
    let _ = output::data(&output::table(&["WHAT", "WHERE"], rows));
    output::note("running; Ctrl-C ends it");
}

/// Brings a database to what the program needs.
async fn migrate(app: &App, url: &str, schema: &str) -> Result<(), Exit> {
    let options = MigrateOptions {
        schema: schema.to_owned(),
        ..MigrateOptions::default()
    };
    store::migrate(url, &options, &app.migrations, &app.subscriptions())
        .await
        .map(drop)
        .map_err(ended_by)
}

/// Opens the input; a wrong name is a wrong command line.
fn open(path: &Path) -> Result<Lines, Exit> {
    Lines::open(path)
        .with_context(|| format!("{} cannot be read", path.display()))
        .map_err(Exit::Refused)
}
