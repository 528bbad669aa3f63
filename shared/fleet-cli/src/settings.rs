//! What each kind of command needs from the environment.

use fleet::Consumer;
use fleet::service::config::{
    AwsConfig, ConsumerConfig, DatabaseConfig, Env, Loaded, QueueUrl, Reader, ServiceConfig,
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

/// Reads the queues' URLs, for commands that need no database.
pub(crate) fn queue_urls(env: &dyn Env, consumers: &[Consumer]) -> Result<Vec<QueueUrl>, Exit> {
    let loaded = load(env, |reader| {
        AwsConfig::read(reader);
        consumers
            .iter()
            .filter_map(|consumer| queue_url(reader, consumer.name()))
            .collect()
    });
    Ok(loaded.map_err(Exit::refused)?.settings)
}

/// Reads the URL of one consumer's queue.
pub(crate) fn queue_url(reader: &mut Reader<'_>, consumer: &str) -> Option<QueueUrl> {
    let variable = format!("{}_QUEUE_URL", consumer_prefix(consumer));
    reader.required(&variable, "the queue's URL", |_| Ok(()))
}
