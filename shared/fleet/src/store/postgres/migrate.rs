use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::applied::compare;
use super::migrations::{MigrateError, Migration, Migrations, PlannedMigration, Subscription};
use super::options::check_schema_name;
use super::sql::render;
use super::{connect, failure};
use crate::store::{StoreError, StoreErrorClass};

/// How long another migration may hold the lock before this one gives up.
const TURN_MAX: Duration = Duration::from_secs(60);

/// How often to ask whether it is our turn: a waiting statement would hold a
/// snapshot, for which building an index concurrently would wait.
const TURN_PAUSE: Duration = Duration::from_millis(100);

/// How often a migration that could not lock its tables is tried again.
const LOCK_ATTEMPTS: u32 = 10;

/// How long to let the others work before that: while a DDL statement waits for
/// its lock, everybody queues up behind it.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

const BOOTSTRAP: &str = r"
    create table if not exists {schema}.migrations (
        owner      text not null,
        number     integer not null,
        name       text not null,
        checksum   text not null,
        applied_at timestamptz not null default now(),
        primary key (owner, number)
    )";

/// Where and how patiently to migrate.
#[derive(Clone, Debug)]
pub struct MigrateOptions {
    /// The schema of the runtime's tables.
    pub schema: String,
    /// How long a statement may wait for a lock before it lets the others go first.
    pub lock_timeout: Duration,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self {
            schema: "fleet".to_owned(),
            lock_timeout: Duration::from_secs(5),
        }
    }
}

/// Applies the migrations that the database lacks and writes the subscriptions.
///
/// It returns what it applied. Any number may run at once: one works, the
/// others wait and find nothing to do. `url` has to reach the server without a
/// transaction pooler, because the lock belongs to the session.
///
/// Subscriptions of the consumers named in `subscriptions` become exactly
/// these; those of consumers that only other programs know are left alone.
///
/// # Errors
///
/// The database is newer, a migration changed or failed, or there is no database.
///
/// # Cancellation
///
/// Dropping the future rolls the current migration back; those before it stand.
pub async fn migrate(
    url: &str,
    options: &MigrateOptions,
    sets: &[Migrations],
    subscriptions: &[Subscription],
) -> Result<Vec<PlannedMigration>, MigrateError> {
    check_schema_name(&options.schema)?;
    connect::on_session(url, async |client| {
        let settings = format!(
            "set statement_timeout = 0; set lock_timeout = {}",
            options.lock_timeout.as_millis()
        );
        run(client, &settings).await?;
        take_turn(client).await?;
        bootstrap(client, &options.schema).await?;
        let lacking = compare(client, &options.schema, sets).await?;
        for step in &lacking {
            apply(client, &options.schema, *step).await?;
        }
        subscribe(client, &options.schema, subscriptions).await?;
        Ok(lacking)
    })
    .await
}

/// Lists what [`migrate`] would apply, and changes nothing.
///
/// # Errors
///
/// As [`migrate`].
///
/// # Cancellation
///
/// May be dropped at any time.
pub async fn plan(
    url: &str,
    options: &MigrateOptions,
    sets: &[Migrations],
) -> Result<Vec<PlannedMigration>, MigrateError> {
    check_schema_name(&options.schema)?;
    connect::on_session(url, async |client| {
        compare(client, &options.schema, sets).await
    })
    .await
}

/// Waits until no other migration runs on this database.
async fn take_turn(client: &Client) -> Result<(), MigrateError> {
    let deadline = Instant::now() + TURN_MAX;
    let sql = "select pg_try_advisory_lock(hashtextextended('fleet migrate', 0))";
    loop {
        let row = client
            .query_one(sql, &[])
            .await
            .map_err(failure::of_statement)?;
        if row.get(0) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(MigrateError::Occupied(TURN_MAX));
        }
        sleep(TURN_PAUSE).await;
    }
}

/// Creates the schema and the table of migrations, where they are missing.
async fn bootstrap(client: &Client, schema: &str) -> Result<(), StoreError> {
    let sql = "select to_regnamespace($1::text) is not null";
    let row = client.query_one(sql, &[&format!("\"{schema}\"")]).await;
    // `if not exists` would ask for a right on the database that is not needed.
    if !row.map_err(failure::of_statement)?.get::<_, bool>(0) {
        run(client, &render("create schema {schema}", schema)).await?;
    }
    run(client, &render(BOOTSTRAP, schema)).await
}

/// Applies one migration, waiting for its locks in short turns.
async fn apply(
    client: &mut Client,
    schema: &str,
    step: PlannedMigration,
) -> Result<(), MigrateError> {
    let mut attempt = 1;
    loop {
        match apply_once(client, schema, step).await {
            Ok(()) => return Ok(()),
            Err(error) if error.class == StoreErrorClass::Conflict && attempt < LOCK_ATTEMPTS => {
                tracing::info!(migration = %step, attempt, "a table is locked; trying again");
                attempt += 1;
                sleep(LOCK_PAUSE).await;
            }
            Err(source) => {
                return Err(MigrateError::Step {
                    migration: step,
                    source,
                });
            }
        }
    }
}

async fn apply_once(
    client: &mut Client,
    schema: &str,
    step: PlannedMigration,
) -> Result<(), StoreError> {
    let Migration { number, name, sql } = step.migration;
    let transaction = client.transaction().await.map_err(failure::of_statement)?;
    transaction
        .batch_execute(&render(sql, schema))
        .await
        .map_err(failure::of_statement)?;
    let record = render(
        "insert into {schema}.migrations (owner, number, name, checksum)
        values ($1, $2, $3, encode(sha256(convert_to($4, 'UTF8')), 'hex'))",
        schema,
    );
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    transaction
        .execute(&record, &[&step.owner, &number, &name, &sql])
        .await
        .map_err(failure::of_statement)?;
    transaction.commit().await.map_err(failure::of_statement)
}

/// Makes the subscriptions of the given consumers exactly the given ones.
async fn subscribe(
    client: &mut Client,
    schema: &str,
    subscriptions: &[Subscription],
) -> Result<(), StoreError> {
    if subscriptions.is_empty() {
        return Ok(());
    }
    let types: Vec<&str> = subscriptions
        .iter()
        .map(|s| s.event_type.as_str())
        .collect();
    let consumers: Vec<&str> = subscriptions.iter().map(|s| s.consumer.as_str()).collect();
    // One statement: a producer sees the old list or the new one.
    let sql = render(
        "with wanted as (
            select * from unnest($1::text[], $2::text[]) as w (event_type, consumer)
        ), gone as (
            delete from {schema}.subscriptions s
            where s.consumer = any ($2)
                and not exists (
                    select from wanted w
                    where w.event_type = s.event_type and w.consumer = s.consumer)
        )
        insert into {schema}.subscriptions (event_type, consumer)
        select event_type, consumer from wanted
        on conflict do nothing",
        schema,
    );
    client
        .execute(&sql, &[&types, &consumers])
        .await
        .map(|_| ())
        .map_err(failure::of_statement)
}

async fn run(client: &Client, sql: &str) -> Result<(), StoreError> {
    client
        .batch_execute(sql)
        .await
        .map_err(failure::of_statement)
}
