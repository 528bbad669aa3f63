//! Puts the workers of a process together, once what they need is there.

use std::sync::Arc;

use fleet::Consumer;
use fleet::consume::{Limits, Parts, Queues, Valve, Worker};
use fleet::queue::{ClientOptions, Queue, Sqs, name_of};
use fleet::service::config::{ConsumerConfig, QueueUrl};
use fleet::service::retry::Backoff;
use fleet::store::PostgresStore;

use crate::app::{App, Refit};
use crate::exit::Exit;
use crate::host::Host;
use crate::lookup::{check, find};
use crate::said::{PAUSES, Said};
use crate::settings::Settings;

/// What the consumers of one process have in common.
pub(crate) struct Site<'a> {
    pub(crate) settings: &'a Settings,
    /// The queues of all consumers of the program, as far as they are known here.
    pub(crate) queues: &'a [QueueUrl],
    pub(crate) sqs: &'a Sqs,
    pub(crate) store: &'a PostgresStore,
    pub(crate) host: &'a Host,
    /// What becomes of a worker's parts before it is put together.
    pub(crate) refit: Option<&'a Refit>,
}

/// Puts the workers of all consumers together; there may be fewer when the shutdown begins meanwhile.
pub(crate) async fn recruit_all(
    consumers: Vec<Consumer>,
    site: &Site<'_>,
) -> Result<Vec<Worker>, Exit> {
    let mut workers = Vec::new();
    let mut refusals = Refusals::default();
    for (consumer, config) in consumers.into_iter().zip(&site.settings.consumers) {
        match refusals.note(recruit(consumer, config, site).await)? {
            Some(Some(worker)) => workers.push(worker),
            Some(None) => break,
            None => {}
        }
    }
    refusals.report()?;
    Ok(workers)
}

/// Finds the queues of all consumers, for a process that only sends to them.
pub(crate) async fn find_all(site: &Site<'_>) -> Result<(), Exit> {
    let mut refusals = Refusals::default();
    for config in &site.settings.consumers {
        let url = config.queue_url.as_str();
        let queue = site.sqs.queue(url, ClientOptions::calling());
        refusals.note(find(config, site.sqs, &queue, site.host).await)?;
    }
    refusals.report()
}

/// What is wrong with the queues of one start, for one report.
#[derive(Default)]
struct Refusals(Vec<String>);

impl Refusals {
    /// Keeps a refusal for the report; every other end is passed on.
    fn note<T>(&mut self, found: Result<T, Exit>) -> Result<Option<T>, Exit> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Exit::Refused(error)) => {
                self.0.push(format!("{error:#}"));
                Ok(None)
            }
            Err(exit) => Err(exit),
        }
    }

    fn report(self) -> Result<(), Exit> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Exit::refused(self.0.join("\n"))),
        }
    }
}

/// Puts the worker of a consumer together, once its queues are found and fit.
///
/// Returns `None` when the shutdown began while SQS could not be reached.
async fn recruit(
    consumer: Consumer,
    config: &ConsumerConfig,
    site: &Site<'_>,
) -> Result<Option<Worker>, Exit> {
    let Site {
        settings,
        sqs,
        store,
        host,
        ..
    } = site;
    let service = &settings.service;
    let url = config.queue_url.as_str();
    let settle: Arc<dyn Queue> = Arc::new(sqs.queue(url, ClientOptions::calling()));
    let Some(found) = find(config, sqs, settle.as_ref(), host).await? else {
        return Ok(None);
    };
    check(config, service, &found.attributes)?;
    let receiving = ClientOptions::receiving(config.receive_wait);
    let parts = Parts {
        queues: Queues {
            receive: Arc::new(sqs.queue(url, receiving)),
            settle,
            lease: Arc::new(sqs.queue(url, ClientOptions::calling())),
            dead_letters: Arc::new(sqs.queue(&found.dead_letter_url, ClientOptions::calling())),
        },
        store: Arc::new((*store).clone()),
        limits: Limits {
            consumer: consumer.name(),
            queue: name_of(url).to_owned(),
            version: host.version.clone(),
            concurrency: config.concurrency,
            handler_timeout: config.handler_timeout,
            attempts_max: config.max_attempts,
            receive_wait: config.receive_wait,
            visibility: found.attributes.visibility_timeout,
            unknown_type_grace: service.unknown_type_grace,
            rate_limit: config.rate_limit,
            bytes_max: Limits::BYTES_MAX,
            group_policy: config.group_policy,
            log_success: service.log.success,
        },
        health: host.health.clone(),
        jitter: host.jitter.clone(),
        valve: Valve::unknown(),
        quarantine: host.quarantine.clone(),
    };
    let parts = match site.refit {
        Some(refit) => refit(parts),
        None => parts,
    };
    Ok(Some(Worker::new(consumer, parts)))
}

/// Waits until the database has what this program needs; returns early when the shutdown begins.
pub(crate) async fn await_schema(site: &Site<'_>, app: &App) {
    const CHECK: &str = "schema";
    /// As the breakers call it, which watch over it from now on.
    const DATABASE: &str = "database";
    let Site { store, host, .. } = site;
    let mut said = Said::default();
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, host.jitter.clone());
    loop {
        let finding = match store.check_schema(&app.migrations).await {
            Ok(lacking) if lacking.is_empty() => {
                host.health.set_check(CHECK, Ok(()));
                host.health.set_check(DATABASE, Ok(()));
                return;
            }
            Ok(lacking) => format!(
                "the database lacks {} migration(s), the first is {}; run `{} migrate`",
                lacking.len(),
                lacking[0],
                app.name
            ),
            Err(error) => {
                said.say(&error, "the schema cannot be looked at yet");
                error.finding()
            }
        };
        // A change of the finding is logged by the health check.
        host.health.set_check(CHECK, Err(finding));
        tokio::select! {
            biased;
            () = host.shutdown.stop_receiving.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}
