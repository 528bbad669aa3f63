//! The pools of connections that the commands use.

use std::time::Duration;

use anyhow::Context as _;
use fleet::service::config::DatabaseConfig;
use fleet::store::{Migrations, PostgresOptions, PostgresStore};

use crate::app::App;
use crate::exit::Exit;

/// How long the database may take to answer what is asked beside the work, or by a person who
/// waits: all of it is small.
const SMALL_ANSWER_MAX: Duration = Duration::from_secs(5);

/// How many connections a replay has: half as many as lanes, because these wait for SQS as long.
const JOURNAL_CONNECTIONS: usize = 4;

/// Makes the pool of the work; a database that is down is waited for later.
pub(crate) fn for_work(database: &DatabaseConfig) -> Result<PostgresStore, Exit> {
    connect(database, PostgresOptions::default(), database.pool_size)
}

/// Makes a pool of one connection for what must not wait behind the work.
pub(crate) fn beside_work(database: &DatabaseConfig) -> Result<PostgresStore, Exit> {
    connect(database, quick(), 1)
}

/// Makes a pool for a replay, whose lanes write to the journal side by side.
pub(crate) fn for_journal(database: &DatabaseConfig) -> Result<PostgresStore, Exit> {
    connect(database, quick(), JOURNAL_CONNECTIONS)
}

/// Makes a pool of so many connections for handlers that run beside live work.
pub(crate) fn for_rehearsals(
    database: &DatabaseConfig,
    connections: usize,
) -> Result<PostgresStore, Exit> {
    connect(database, PostgresOptions::default(), connections)
}

/// Refuses a database that lacks tables of the runtime, and names the remedy.
pub(crate) async fn check_runtime(store: &PostgresStore, app: &App) -> Result<(), Exit> {
    let lacking = store
        .check_schema(&[Migrations::RUNTIME])
        .await
        .context("the database cannot be asked")?;
    match lacking.first() {
        None => Ok(()),
        Some(first) => Err(Exit::refused(format!(
            "the database lacks {} migration(s), the first is {first}; run `{} migrate`",
            lacking.len(),
            app.name
        ))),
    }
}

fn quick() -> PostgresOptions {
    PostgresOptions {
        wait_max: SMALL_ANSWER_MAX,
        answer_max: SMALL_ANSWER_MAX,
        statement_max: SMALL_ANSWER_MAX,
        ..PostgresOptions::default()
    }
}

fn connect(
    database: &DatabaseConfig,
    options: PostgresOptions,
    pool_size: usize,
) -> Result<PostgresStore, Exit> {
    let options = PostgresOptions {
        schema: database.schema.clone(),
        direct_url: database
            .direct_url
            .as_ref()
            .map(|url| url.expose().to_owned()),
        pool_size,
        ..options
    };
    PostgresStore::connect(database.url.expose(), options)
        .map_err(|error| Exit::Refused(anyhow::Error::new(error).context("DATABASE_URL")))
}
