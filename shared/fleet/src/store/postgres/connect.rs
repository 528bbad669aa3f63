use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Connection, Row, SimpleQueryMessage, Socket};

use super::address::Address;
use super::failure::CONNECT_MAX;
use super::tls::Encrypted;
use super::{PostgresOptions, failure};
use crate::store::{StoreError, StoreErrorClass};

/// How long a server may take to answer a small question outside the pool.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a connection of its own may take to end politely.
const FAREWELL_MAX: Duration = Duration::from_millis(100);

/// How often a busy server looks whether its client is still there: a killed
/// worker's claims are free after this instead of at the statement's end.
const SET_CONNECTION_CHECK: &str = "
    select set_config('client_connection_check_interval', '300ms', false)
    where current_setting('client_connection_check_interval', true) = '0'";

/// Makes a connection outside the pool, for what needs a session of its own.
///
/// # Errors
///
/// `Unavailable`: none could be made in time.
pub(super) async fn connect(
    address: &Address,
) -> Result<(Client, Connection<Socket, Encrypted>), StoreError> {
    let limit = address.connect_max();
    match timeout(limit, address.config.connect(address.tls.clone())).await {
        Ok(connected) => connected.map_err(failure::of_connect),
        Err(_elapsed) => Err(failure::no_answer(limit)),
    }
}

/// Makes a connection, runs the work and closes; the connection is driven beside the work.
///
/// # Errors
///
/// As [`Address::read`] and [`connect`], and those of the work.
pub(super) async fn on_session<T, E: From<StoreError>>(
    url: &str,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, E>,
) -> Result<T, E> {
    let (mut client, connection) = connect(&Address::read(url)?).await?;
    let mut connection = std::pin::pin!(connection);
    let result = {
        let mut work = std::pin::pin!(work(&mut client));
        tokio::select! {
            biased;
            result = &mut work => result,
            // The work fails with it, and says it better.
            _ = &mut connection => work.await,
        }
    };
    drop(client);
    // Closes politely, so that the database is free when this returns.
    let _ = timeout(FAREWELL_MAX, connection).await;
    result
}

/// A parameter and its type, which nobody is asked for.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Runs a statement without preparing it: behind a pooler the next message may reach another process.
pub(super) async fn ask(
    client: &Client,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, StoreError> {
    answer(client.query_typed(sql, params)).await
}

/// Waits for an answer outside the pool.
pub(super) async fn answer<T>(
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match timeout(ANSWER_MAX, work).await {
        Ok(answered) => answered.map_err(failure::of_statement),
        Err(_elapsed) => Err(failure::no_answer(ANSWER_MAX)),
    }
}

/// Makes a pool that connects when it is first used.
pub(super) fn pool(address: Address, options: &PostgresOptions) -> Result<Pool, StoreError> {
    let create_max = address.connect_max();
    // A connection comes back clean or not at all (`session`), so a closed one
    // is all that a recycling has to look for.
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(address.config, address.tls, recycling))
        .max_size(options.pool_size.max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.wait_max))
        .create_timeout(Some(create_max))
        .recycle_timeout(Some(CONNECT_MAX))
        .post_create(Hook::async_fn(|client, _| Box::pin(prepare(client))))
        .build()
        .map_err(|error| StoreError::new(StoreErrorClass::Misconfigured, error))
}

/// Sets up a new connection, or refuses the server behind it.
async fn prepare(client: &mut ClientWrapper) -> Result<(), HookError> {
    let asked = async {
        tokio::join!(
            client.batch_execute(SET_CONNECTION_CHECK),
            client.simple_query("select current_setting('synchronous_commit')"),
        )
    };
    let answers = timeout(CONNECT_MAX, asked).await;
    let (checked, settings) = answers.map_err(|_| HookError::message(failure::NO_ANSWER))?;
    if let Err(error) = checked
        && error.as_db_error().is_none()
    {
        return Err(HookError::Backend(error));
    }
    // A server that answered with an error does not know the setting, or its
    // platform lacks what it needs: it works without.
    let settings = settings.map_err(HookError::Backend)?;
    let synchronous = settings.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if synchronous == Some("off") {
        return Err(HookError::message(
            "synchronous_commit is off: a crash of the server would lose effects whose messages \
             are deleted already; set it to on for this role or database",
        ));
    }
    Ok(())
}
