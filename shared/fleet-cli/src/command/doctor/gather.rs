use std::time::Duration;

use fleet::Consumer;
use fleet::queue::{ClientOptions, Queue as _, QueueError, Sqs, SqsQueue};
use fleet::service::config::{ConsumerConfig, DatabaseConfig, Env};
use fleet::store::{self, Inquiry, MigrateOptions};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::clocks::half;
use super::facts::{DatabaseFacts, DeadLetterQueue, Facts, Offset, QueueFacts};
use crate::app::App;
use crate::muster::SEEN_WITHIN;
use crate::settings;

/// SQS tells the time in whole seconds, rounded down.
const SQS_TICK: SignedDuration = SignedDuration::from_secs(1);

/// Asks queues and database, once each; what does not answer is a fact, too.
pub(super) async fn gather(app: &App, consumers: &[&Consumer], env: &dyn Env) -> Facts {
    let mut pieces = settings::piecewise(env, consumers);
    let sqs = Sqs::connect().await;
    // A profile can name an endpoint, too.
    let in_profile = || sqs.endpoint().map(str::to_owned);
    pieces.aws.endpoint_url = pieces.aws.endpoint_url.or_else(in_profile);
    let asked = pieces.consumers.iter().map(|consumer| ask(&sqs, consumer));
    let queues = join_all(asked).await;
    let sqs_ahead = Box::pin(read_clock(&sqs, &queues)).await;
    let database = match &pieces.database {
        Some(config) => Some(Box::pin(look_into(app, config, &queues)).await),
        None => None,
    };
    let names: Vec<&str> = consumers.iter().map(|consumer| consumer.name()).collect();
    let mut registered = app.subscriptions();
    registered.retain(|one| names.contains(&one.consumer.as_str()));
    Facts {
        program: app.name,
        region: sqs.region().map(str::to_owned),
        queues,
        sqs_ahead,
        database,
        registered,
        now: Timestamp::now(),
        pieces,
    }
}

async fn ask(sqs: &Sqs, consumer: &ConsumerConfig) -> QueueFacts {
    let queue = open(sqs, consumer.queue_url.as_str()).attributes().await;
    let named = queue
        .as_ref()
        .ok()
        .and_then(|queue| queue.dead_letter_queue.as_ref());
    let dead_letters = match named {
        Some(name) => Some(ask_dead_letters(sqs, name).await),
        None => None,
    };
    QueueFacts {
        consumer: consumer.clone(),
        queue,
        dead_letters,
    }
}

async fn ask_dead_letters(sqs: &Sqs, name: &str) -> Result<DeadLetterQueue, QueueError> {
    let url = sqs.url_of(name).await?;
    let attributes = open(sqs, &url).attributes().await?;
    Ok(DeadLetterQueue {
        name: name.to_owned(),
        url,
        attributes,
    })
}

fn open(sqs: &Sqs, url: &str) -> SqsQueue {
    sqs.queue(url, ClientOptions::calling())
}

/// Compares SQS's clock with the middle between a question and its answer.
async fn read_clock(sqs: &Sqs, queues: &[QueueFacts]) -> Option<Offset> {
    let answering = queues.iter().find(|one| one.queue.is_ok())?;
    let queue = open(sqs, answering.consumer.queue_url.as_str());
    let asked = Timestamp::now();
    let theirs = queue.time().await.ok()??;
    let took = Duration::try_from(Timestamp::now().duration_since(asked)).ok()?;
    let way = half(took);
    Some(Offset {
        ahead: theirs.duration_since(asked) - way + SQS_TICK / 2,
        give_or_take: way + SQS_TICK / 2,
    })
}

async fn look_into(app: &App, config: &DatabaseConfig, queues: &[QueueFacts]) -> DatabaseFacts {
    let dead_letters = queues
        .iter()
        .filter_map(|one| one.dead_letters.as_ref()?.as_ref().ok());
    let kept: Vec<(String, Duration)> = dead_letters
        .map(|queue| (queue.name.clone(), queue.attributes.retention))
        .collect();
    let consumers: Vec<&str> = app.consumers.iter().map(Consumer::name).collect();
    let url = config.url.expose();
    let direct = config.direct_url.as_ref().map(|direct| direct.expose());
    let options = MigrateOptions {
        schema: config.schema.clone(),
        ..MigrateOptions::default()
    };
    // One after the other: it is asked as one client of many would.
    let inquiry = Inquiry {
        schema: &config.schema,
        consumers: &consumers,
        kept: &kept,
        seen_within: SEEN_WITHIN,
    };
    let checkup = store::check_up(url, &inquiry).await;
    let lacking = store::plan(direct.unwrap_or(url), &options, &app.migrations).await;
    let direct_is_pooled = match direct {
        Some(direct) => Some(store::is_pooled(direct).await),
        None => None,
    };
    DatabaseFacts {
        config: config.clone(),
        checkup,
        lacking,
        direct_is_pooled,
    }
}
