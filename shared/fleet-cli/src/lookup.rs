//! Finds the queues of a consumer and checks that they fit.

use std::time::Duration;

use anyhow::anyhow;
use fleet::queue::{Queue, QueueAttributes, QueueError, QueueErrorKind, Sqs};
use fleet::service::config::{ConsumerConfig, GroupPolicy, ServiceConfig, consumer_prefix};
use fleet::service::retry::Backoff;

use crate::exit::Exit;
use crate::host::Host;
use crate::said::{PAUSES, Said};

/// How much longer than its wait a receive may take before it is given up.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);

/// How often a message is received that halts its group for a day.
pub(crate) const HALTED_RECEIVES_MIN: u64 = 24 * 12;

/// How many receives the redrive policy should allow for each attempt that we charge: SQS counts
/// deploys, outages and lost answers as well.
const RECEIVES_AN_ATTEMPT: u64 = 10;

/// How often a message of an unknown type is received while its grace lasts: once a minute.
const UNKNOWN_TYPE_PERIOD: Duration = Duration::from_secs(60);

/// A queue that was found, and what it says of itself.
pub(crate) struct Found {
    pub(crate) attributes: QueueAttributes,
    pub(crate) dead_letter_url: String,
}

/// Why a queue was not found.
enum LookUp {
    /// Waiting will not help.
    Hopeless(anyhow::Error),
    Failed(QueueError),
}

/// Asks SQS for a queue and its dead-letter queue until it answers.
pub(crate) async fn find(
    config: &ConsumerConfig,
    sqs: &Sqs,
    queue: &dyn Queue,
    host: &Host,
) -> Result<Option<Found>, Exit> {
    let variable = format!("{}_QUEUE_URL", consumer_prefix(&config.name));
    let check = format!("queue {}", queue.name());
    let mut said = Said::default();
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
                said.say(&error, "queue cannot be looked up yet");
            }
        }
        tokio::select! {
            biased;
            () = host.shutdown.stop_receiving.cancelled() => return Ok(None),
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
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
pub(crate) fn check(
    config: &ConsumerConfig,
    service: &ServiceConfig,
    queue: &QueueAttributes,
) -> Result<(), Exit> {
    let prefix = consumer_prefix(&config.name);
    let name = config.queue_url.name();
    let visibility_min = visibility_min(config);
    if queue.visibility_timeout < visibility_min {
        return Err(Exit::refused(format!(
            "{prefix}_QUEUE_URL: queue {name} has a visibility timeout of {} s, and a receive may \
             take {} s; set the queue's to at least {} s, or shorten {prefix}_RECEIVE_WAIT",
            queue.visibility_timeout.as_secs(),
            (config.receive_wait + RECEIVE_MARGIN).as_secs(),
            visibility_min.as_secs(),
        )));
    }
    let receives_min = receives_min(config, service);
    let receives = u64::from(queue.max_receive_count.unwrap_or(0));
    if receives < receives_min {
        return Err(Exit::refused(format!(
            "UNKNOWN_TYPE_GRACE: {} s need {receives_min} receives of a message, and the redrive \
             policy of queue {name} allows {receives}; raise its maxReceiveCount or shorten the grace",
            service.unknown_type_grace.as_secs(),
        )));
    }
    if receives < receives_advised(config) {
        tracing::warn!(
            queue = name,
            max_receive_count = receives,
            max_attempts = config.max_attempts,
            "maxReceiveCount is a backstop and should be ten times the attempts"
        );
    }
    if config.group_policy == Some(GroupPolicy::Halt) && receives < HALTED_RECEIVES_MIN {
        tracing::warn!(
            queue = name,
            max_receive_count = receives,
            "a group halts only until SQS moves its message at maxReceiveCount; raise that to 1000"
        );
    }
    Ok(())
}

/// Returns the shortest visibility timeout with which a consumer starts: a receive may take half
/// of it, and half a lease is left when its messages arrive.
pub(crate) fn visibility_min(config: &ConsumerConfig) -> Duration {
    2 * (config.receive_wait + RECEIVE_MARGIN)
}

/// Returns how many receives the redrive policy has to allow for the grace of an unknown type.
pub(crate) fn receives_min(config: &ConsumerConfig, service: &ServiceConfig) -> u64 {
    let waits = service.unknown_type_grace.as_secs() / UNKNOWN_TYPE_PERIOD.as_secs();
    waits + u64::from(config.max_attempts)
}

/// Returns how many receives make the redrive policy the backstop that it should be.
pub(crate) fn receives_advised(config: &ConsumerConfig) -> u64 {
    RECEIVES_AN_ATTEMPT * u64::from(config.max_attempts)
}
