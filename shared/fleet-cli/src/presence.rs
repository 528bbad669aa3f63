//! What a serving process does beside its work.

use std::sync::Arc;

use fleet::consume::Worker;
use fleet::queue::{ClientOptions, Directory};
use fleet::service::config::QueueUrl;
use fleet::service::machine;
use fleet::store::Process;
use fleet::upkeep::{Serving, Sounded, Upkeep};
use jiff::Timestamp;
use uuid::Uuid;

use crate::app::App;
use crate::crew::Site;
use crate::database;
use crate::exit::Exit;

/// A serving process, and what it does beside its work.
pub(crate) struct Presence {
    process: Process,
    upkeep: Upkeep,
}

impl Presence {
    /// Names the process as one of `kind` and starts what needs no tables: it measures queues, when
    /// it is its turn, those of other processes included.
    pub(crate) fn begin(
        app: &App,
        kind: &str,
        site: &Site<'_>,
        workers: &[Worker],
    ) -> Result<Self, Exit> {
        let process = Process {
            id: Uuid::new_v4().to_string(),
            host: machine::host_name(),
            pid: std::process::id(),
            kind: kind.to_owned(),
            version: app.version.to_owned(),
            build: app.commit.to_owned(),
            started_at: Timestamp::now(),
        };
        let store = database::beside_work(&site.settings.database)?;
        let (aside, health) = (site.host.aside(), site.host.health.clone());
        let upkeep = Upkeep::start(store, aside, health, &site.host.jitter);
        upkeep.watch_connections(site.store);
        upkeep.measure(sounded(site, workers), &process.id);
        Ok(Self { process, upkeep })
    }

    /// Lets the process show itself, heed the pauses of its workers, and prune when it is its turn.
    ///
    /// No worker receives before the pauses were read once.
    pub(crate) fn serve(&self, workers: &[Worker]) {
        let serving = workers.iter().map(Serving::of).collect();
        self.upkeep.serve(self.process.clone(), serving);
    }

    /// Ends it; what the process leads is given back.
    pub(crate) async fn end(self) {
        self.upkeep.end().await;
    }
}

/// Returns the queues that this process can measure, with clients that nothing else waits for.
fn sounded(site: &Site<'_>, workers: &[Worker]) -> Vec<Sounded> {
    let directory: Arc<dyn Directory> = Arc::new(site.sqs.clone());
    let of = |url: &QueueUrl| {
        let serving = workers
            .iter()
            .find(|worker| worker.limits().queue == url.name());
        Sounded {
            queue: Arc::new(site.sqs.queue(url.as_str(), ClientOptions::calling())),
            directory: Arc::clone(&directory),
            progress: serving.map(Worker::progress),
        }
    };
    site.queues.iter().map(of).collect()
}
