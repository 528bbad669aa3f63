use std::time::Duration;

use fleet::consume::Quarantine;
use fleet::service::admin::AdminServer;
use fleet::service::aside::Aside;
use fleet::service::config::{Problem, ServiceConfig};
use fleet::service::health::Health;
use fleet::service::metrics::{self, Recorder, Totals};
use fleet::service::retry::Jitter;
use fleet::service::shutdown::Shutdown;
use fleet::service::telemetry;
use fleet::service::traces::{self, Traces};

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::app::App;
use crate::exit::Exit;

/// How long the threads beside the work may take to end.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What every serving process has: logs, metrics, probes, signals.
pub(crate) struct Host {
    /// The build that runs, as `--version` names it.
    pub(crate) version: String,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    pub(crate) jitter: Jitter,
    /// Where messages run alone that a process did not survive.
    pub(crate) quarantine: Quarantine,
    pub(crate) admin_addr: std::net::SocketAddr,
    recorder: Recorder,
    /// Runs heartbeats, probes and signals, where no handler can block them.
    aside: Aside,
    traces: Traces,
}

impl Host {
    /// Starts logging, listens for signals, and serves probes and metrics; handlers are to run on
    /// `runtime`.
    pub(crate) fn start(app: &App, config: &ServiceConfig, runtime: &Handle) -> Result<Self, Exit> {
        telemetry::init(&config.log).context("cannot start logging")?;
        let recorder = metrics::install(app.version, app.commit).context("cannot start metrics")?;
        let traces =
            traces::begin(&config.traces, app.name, app.version).context("cannot start traces")?;
        // A taken port is a matter of configuration.
        let admin = AdminServer::bind(config.admin_addr).map_err(|e| Exit::Refused(e.into()))?;
        let admin_addr = admin.addr();
        let aside = Aside::start("fleet-aside").context("cannot start a thread")?;
        let shutdown = Shutdown::on_signals(config.shutdown_grace, &aside)
            .context("cannot listen for signals")?;
        let health = Health::new();
        aside.spawn(admin.serve(health.clone(), recorder.clone(), aside.stopping()));
        let host = Self {
            version: app.build(),
            health,
            shutdown,
            jitter: Jitter::from_entropy(),
            quarantine: Quarantine::default(),
            admin_addr,
            recorder,
            aside,
            traces,
        };
        host.announce_draining();
        tracing::info!(
            version = app.version,
            commit = app.commit,
            admin.addr = %host.admin_addr,
            threads = runtime.metrics().num_workers(),
            "{} starts",
            app.name
        );
        Ok(host)
    }

    /// Logs what is allowed but likely unintended.
    pub(crate) fn warn(&self, warnings: &[Problem]) {
        for warning in warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Returns the runtime of the thread that no handler can block.
    pub(crate) fn aside(&self) -> &tokio::runtime::Handle {
        self.aside.handle()
    }

    /// Ends what runs beside the work; the last thing a process does.
    pub(crate) async fn stop(self) {
        tokio::join!(self.aside.stop(STOP_PATIENCE), self.traces.stop());
        // After all else: no scrape will tell what was done since the last one.
        report(&self.recorder.totals());
        telemetry::flush();
    }

    /// Tells load balancers and dashboards when the shutdown begins, and enforces its grace.
    fn announce_draining(&self) {
        let (health, recorder) = (self.health.clone(), self.recorder.clone());
        let (shutdown, stopping) = (self.shutdown.clone(), self.aside.stopping());
        self.aside.spawn(async move {
            let draining = async {
                shutdown.stop_receiving.cancelled().await;
                tracing::info!(grace_secs = shutdown.grace().as_secs(), "shutdown begins");
                health.set_draining();
                recorder.set_draining();
                shutdown.enforce_grace().await;
            };
            tokio::select! {
                () = draining => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

/// Logs the end of a process, with what it has done.
fn report(totals: &Totals) {
    tracing::info!(
        messages.received = totals.received,
        messages.processed = totals.processed,
        messages.dead_lettered = totals.dead_lettered,
        acks.confirmed = totals.acks_confirmed,
        acks.unconfirmed = totals.acks_unconfirmed,
        leases.extended = totals.leases_extended,
        outbox.published = totals.published,
        sqs.requests = totals.requests,
        sqs.unanswered = totals.unanswered,
        "ends"
    );
}

/// Builds the runtime on which handlers run: a thread for each CPU that the process may use, by its
/// affinity and by the quota of its cgroup.
pub(crate) fn runtime() -> Result<Runtime, Exit> {
    let runtime = Builder::new_multi_thread()
        .thread_name("fleet-worker")
        .enable_all()
        .build();
    Ok(runtime.context("cannot start the runtime")?)
}
