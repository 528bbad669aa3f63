//! The full runtime with a handler that does nothing.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use fleet::queue::Queue as _;
use fleet::store::{self, MigrateOptions, Migrations};
use fleet::testing::cluster::Cluster;
use fleet::{Consumer, Context, Done, Envelope, Event, Handler, HandlerError};
use fleet_cli::App;
use serde::{Deserialize, Serialize};

use crate::server::Server;
use crate::{Outcome, meter};

/// Messages of one measurement.
pub(crate) const MESSAGES: usize = 100_000;
pub(crate) const MESSAGES_F: f64 = 100_000.0;

/// The database that the runtime asks for a sign of life.
pub(crate) struct Database {
    cluster: Cluster,
}

/// The figures of one run.
pub(crate) struct Figures {
    pub(crate) cpu_micros: f64,
    pub(crate) rss_mib: f64,
    pub(crate) start_millis: f64,
}

#[derive(Serialize, Deserialize)]
struct Nothing {
    note: String,
}

impl Event for Nothing {
    const TYPE: &'static str = "noop";
}

struct DoNothing;

impl Handler for DoNothing {
    type Event = Nothing;

    async fn handle(
        &self,
        _: Envelope<Nothing>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        Ok(cx.nothing_to_do())
    }
}

impl Database {
    pub(crate) async fn start() -> Outcome<Self> {
        let cluster = Cluster::start().await?;
        let options = MigrateOptions::default();
        store::migrate(&cluster.url(), &options, &[Migrations::RUNTIME], &[]).await?;
        Ok(Self { cluster })
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.url()
    }
}

/// The measured program: the whole command line with one consumer.
pub(crate) fn main() -> ExitCode {
    App::new("bench", env!("CARGO_PKG_VERSION"))
        .consumer(Consumer::new("noop").handler(DoNothing))
        .main()
}

/// Lets the runtime work a queue off and measures it.
pub(crate) async fn measure(database: &Database, log_success: &str) -> Outcome<Figures> {
    let server = Server::start()?;
    server.fill(MESSAGES).await?;
    let queue = server.queue();
    let started = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .arg("run")
        .env_clear()
        .env("DATABASE_URL", database.cluster.url())
        .env("AWS_ENDPOINT_URL_SQS", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("NOOP_QUEUE_URL", server.queue_url())
        .env("NOOP_CONCURRENCY", "128")
        .env("ADMIN_ADDR", "127.0.0.1:0")
        .env("LOG_FORMAT", "json")
        .env("LOG_SUCCESS", log_success)
        .stderr(Stdio::null())
        .spawn()?;
    while queue.attributes().await?.in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let start_millis = started.elapsed().as_secs_f64() * 1e3;
    server.until_empty().await?;
    let figures = Figures {
        cpu_micros: meter::cpu_micros(child.id())? / MESSAGES_F,
        rss_mib: meter::peak_rss_mib(child.id())?,
        start_millis,
    };
    child.kill()?;
    child.wait()?;
    Ok(figures)
}
