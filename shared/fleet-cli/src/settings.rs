//! What each kind of command needs from the environment.

use fleet::Consumer;
use fleet::service::config::{
    AwsConfig, ConsumerConfig, DatabaseConfig, Env, Loaded, QueueUrl, ServiceConfig,
    consumer_prefix, load,
};

use crate::exit::Exit;

/// Everything that a serving command reads.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) service: ServiceConfig,
    pub(crate) database: DatabaseConfig,
    pub(crate) consumers: Vec<ConsumerConfig>,
}

/// Reads the settings of a serving command, or reports every problem at once.
pub(crate) fn serving(env: &dyn Env, consumers: &[&Consumer]) -> Result<Loaded<Settings>, Exit> {
    let loaded = load(env, |reader| {
        let service = ServiceConfig::read(reader);
        let database = DatabaseConfig::read(reader);
        // The SDK reads these itself; here they are only checked and reported.
        AwsConfig::read(reader);
        let consumers: Vec<_> = consumers
            .iter()
            .filter_map(|consumer| ConsumerConfig::read(reader, consumer.name(), &service))
            .collect();
        database.map(|database| Settings {
            service,
            database,
            consumers,
        })
    });
    let Loaded { settings, report } = loaded.map_err(Exit::refused)?;
    let settings = settings.ok_or_else(|| Exit::refused("DATABASE_URL: is not set"))?;
    Ok(Loaded { settings, report })
}

/// Reads where the database is, for commands that need nothing else.
pub(crate) fn database(env: &dyn Env) -> Result<DatabaseConfig, Exit> {
    let loaded = load(env, DatabaseConfig::read).map_err(Exit::refused)?;
    loaded
        .settings
        .ok_or_else(|| Exit::refused("DATABASE_URL: is not set"))
}

/// Reads where the database is, for commands that can do with less.
pub(crate) fn database_if_named(env: &dyn Env) -> Result<Option<DatabaseConfig>, Exit> {
    match env.get("DATABASE_URL").filter(|url| !url.is_empty()) {
        Some(_) => database(env).map(Some),
        None => Ok(None),
    }
}

/// Reads the settings of the consumers, for commands that need no database.
pub(crate) fn consumers(
    env: &dyn Env,
    consumers: &[Consumer],
) -> Result<Vec<ConsumerConfig>, Exit> {
    let loaded = load(env, |reader| {
        let service = ServiceConfig::read(reader);
        AwsConfig::read(reader);
        consumers
            .iter()
            .filter_map(|consumer| ConsumerConfig::read(reader, consumer.name(), &service))
            .collect()
    });
    Ok(loaded.map_err(Exit::refused)?.settings)
}

/// Reads what sending needs: SQS, and the queue of a consumer if it goes to one.
pub(crate) fn sending(
    env: &dyn Env,
    consumer: Option<&Consumer>,
) -> Result<Option<QueueUrl>, Exit> {
    let loaded = load(env, |reader| {
        AwsConfig::read(reader);
        let variable = format!("{}_QUEUE_URL", consumer_prefix(consumer?.name()));
        reader.required(&variable, "the queue's URL", |_| Ok(()))
    });
    Ok(loaded.map_err(Exit::refused)?.settings)
}

/// Returns which of the consumers have queues in this environment, and their URLs.
pub(crate) fn named_queues<'a>(
    env: &dyn Env,
    consumers: &'a [Consumer],
) -> Vec<(&'a Consumer, String)> {
    let url_of =
        |consumer: &Consumer| env.get(&format!("{}_QUEUE_URL", consumer_prefix(consumer.name())));
    let named = consumers.iter().filter_map(|consumer| {
        let url = url_of(consumer).filter(|url| !url.is_empty())?;
        Some((consumer, url))
    });
    named.collect()
}
