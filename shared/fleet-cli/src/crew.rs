//! Finds the queues of consumers, checks them, and puts workers together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use fleet::Consumer;
use fleet::consume::{Limits, Parts, Queues, Worker};
use fleet::queue::{
    ClientOptions, Queue, QueueAttributes, QueueError, QueueErrorKind, Sqs, name_of,
};
use fleet::service::config::{ConsumerConfig, ServiceConfig, consumer_prefix};
use fleet::service::retry::Backoff;
use fleet::store::PostgresStore;

use crate::app::App;
use crate::exit::Exit;
use crate::host::Host;
use crate::settings::Settings;

/// The ceilings of the pauses while SQS or Postgres cannot be reached at the start.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// How much longer than its wait a receive may take before it is given up.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);

/// How often a message of an unknown type is received while its grace lasts: once a minute.
const UNKNOWN_TYPE_PERIOD: Duration = Duration::from_secs(60);

/// What the consumers of one process have in common.
pub(crate) struct Site<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) sqs: &'a Sqs,
    pub(crate) store: &'a PostgresStore,
    pub(crate) host: &'a Host,
}

/// A queue that was found, and what it says of itself.
pub(crate) struct Found {
    pub(crate) attributes: QueueAttributes,
    pub(crate) dead_letter_url: String,
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
            concurrency: config.concurrency,
            handler_timeout: config.handler_timeout,
            attempts_max: config.max_attempts,
            receive_wait: config.receive_wait,
            visibility: found.attributes.visibility_timeout,
            unknown_type_grace: service.unknown_type_grace,
            log_success: service.log.success,
        },
        health: host.health.clone(),
        jitter: host.jitter.clone(),
    };
    Ok(Some(Worker::new(consumer, parts)))
}

/// Asks SQS for a queue and its dead-letter queue until it answers.
async fn find(
    config: &ConsumerConfig,
    sqs: &Sqs,
    queue: &dyn Queue,
    host: &Host,
) -> Result<Option<Found>, Exit> {
    let variable = format!("{}_QUEUE_URL", consumer_prefix(&config.name));
    let check = format!("queue {}", queue.name());
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, host.jitter.clone());
    loop {
        match look_up(&variable, sqs, queue).await {
            Ok(found) => {
                host.health.set_check(&check, Ok(()));
                return Ok(Some(found));
            }
            Err(LookUp::Hopeless(error)) => return Err(Exit::Refused(error)),
            Err(LookUp::Failed(error)) => {
                host.health.set_check(&check, Err(error.to_string()));
                tracing::warn!(
                    queue = queue.name(),
                    error = &error as &dyn std::error::Error,
                    "queue cannot be looked up yet"
                );
            }
        }
        tokio::select! {
            biased;
            () = host.shutdown.stop_receiving.cancelled() => return Ok(None),
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

enum LookUp {
    /// Waiting will not help.
    Hopeless(anyhow::Error),
    Failed(QueueError),
}

async fn look_up(variable: &str, sqs: &Sqs, queue: &dyn Queue) -> Result<Found, LookUp> {
    let classify = |what: String| {
        move |error: QueueError| match error.kind {
            QueueErrorKind::NoSuchQueue => LookUp::Hopeless(anyhow!(
                "{variable}: {what} does not exist; create it, or name another"
            )),
            QueueErrorKind::Refused => {
                LookUp::Hopeless(anyhow::Error::new(error).context(format!("{variable}: {what}")))
            }
            _ => LookUp::Failed(error),
        }
    };
    let name = queue.name();
    let attributes = queue
        .attributes()
        .await
        .map_err(classify(format!("queue {name}")))?;
    let Some(dead_letter_queue) = &attributes.dead_letter_queue else {
        return Err(LookUp::Hopeless(anyhow!(
            "{variable}: queue {name} has no redrive policy; give it one with a dead-letter queue \
             and a maxReceiveCount of 100"
        )));
    };
    let what = format!("dead-letter queue {dead_letter_queue} of queue {name}");
    let dead_letter_url = sqs
        .url_of(dead_letter_queue)
        .await
        .map_err(classify(what))?;
    Ok(Found {
        attributes,
        dead_letter_url,
    })
}

/// Checks the rules between a consumer's settings and its queue's.
fn check(
    config: &ConsumerConfig,
    service: &ServiceConfig,
    queue: &QueueAttributes,
) -> Result<(), Exit> {
    let prefix = consumer_prefix(&config.name);
    let name = config.queue_url.name();
    let visibility_min = 2 * (config.receive_wait + RECEIVE_MARGIN);
    if queue.visibility_timeout < visibility_min {
        return Err(Exit::refused(format!(
            "{prefix}_QUEUE_URL: queue {name} has a visibility timeout of {} s, and a receive may \
             take {} s; set the queue's to at least {} s, or shorten {prefix}_RECEIVE_WAIT",
            queue.visibility_timeout.as_secs(),
            (config.receive_wait + RECEIVE_MARGIN).as_secs(),
            visibility_min.as_secs(),
        )));
    }
    let waits = service.unknown_type_grace.as_secs() / UNKNOWN_TYPE_PERIOD.as_secs();
    let receives_min = waits + u64::from(config.max_attempts);
    let receives = u64::from(queue.max_receive_count.unwrap_or(0));
    if receives < receives_min {
        return Err(Exit::refused(format!(
            "UNKNOWN_TYPE_GRACE: {} s need {receives_min} receives of a message, and the redrive \
             policy of queue {name} allows {receives}; raise its maxReceiveCount or shorten the grace",
            service.unknown_type_grace.as_secs(),
        )));
    }
    if receives < 10 * u64::from(config.max_attempts) {
        tracing::warn!(
            queue = name,
            max_receive_count = receives,
            max_attempts = config.max_attempts,
            "maxReceiveCount is a backstop and should be ten times the attempts"
        );
    }
    Ok(())
}

/// Waits until the database has what this program needs; returns early when the shutdown begins.
pub(crate) async fn await_schema(site: &Site<'_>, app: &App) {
    const CHECK: &str = "schema";
    let Site { store, host, .. } = site;
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, host.jitter.clone());
    loop {
        let finding = match store.check_schema(&app.migrations).await {
            Ok(lacking) if lacking.is_empty() => {
                host.health.set_check(CHECK, Ok(()));
                return;
            }
            Ok(lacking) => format!(
                "the database lacks {} migration(s), the first is {}; run `{} migrate`",
                lacking.len(),
                lacking[0],
                app.name
            ),
            Err(error) => error.to_string(),
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
