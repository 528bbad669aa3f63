use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Connection, NoTls, Row, SimpleQueryMessage, Socket};

use super::{PostgresOptions, failure};
use crate::store::{StoreError, StoreErrorClass};

/// How long a connection may take to be made: a round trip takes milliseconds,
/// a start of the server under load some seconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long sent bytes may stay unacknowledged before the connection is given
/// up: a host that vanished answers nothing, and TCP alone would try for minutes.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// When an idle connection is asked for a sign of life, and how often after
/// that: below the idle limits of the usual firewalls and load balancers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// How long a server may take to answer a small question outside the pool.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a connection of its own may take to end politely.
const FAREWELL_MAX: Duration = Duration::from_millis(100);

/// How often a busy server looks whether its client is still there: a killed
/// worker's claims are free after this instead of at the statement's end.
const SET_CONNECTION_CHECK: &str = "
    select set_config('client_connection_check_interval', '300ms', false)
    where current_setting('client_connection_check_interval', true) = '0'";

/// Reads an address and adds what every connection of the fleet has.
///
/// # Errors
///
/// `Misconfigured`: it is no address, or asks for TLS, which is refused rather
/// than silently left out.
pub(super) fn config(url: &str) -> Result<Config, StoreError> {
    let refused = |why: String| StoreError::new(StoreErrorClass::Misconfigured, why);
    let mut config = Config::from_str(url).map_err(|error| failure::of_address(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refused(
            "the address of the database names no host".to_owned(),
        ));
    }
    if config.get_ssl_mode() == SslMode::Require {
        let why = "sslmode=require: this build has no TLS for Postgres; reach it over loopback, \
                   a socket or a proxy that encrypts, with sslmode=disable";
        return Err(refused(why.to_owned()));
    }
    if config.get_application_name().is_none() {
        config.application_name("fleet");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_MAX);
    }
    config
        .ssl_mode(SslMode::Disable)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    Ok(config)
}

/// Makes a connection outside the pool, for what needs a session of its own.
///
/// # Errors
///
/// `Unavailable`: none could be made in time.
pub(super) async fn connect(
    config: &Config,
) -> Result<(Client, Connection<Socket, NoTlsStream>), StoreError> {
    let limit = connect_max(config);
    match timeout(limit, config.connect(NoTls)).await {
        Ok(connected) => connected.map_err(failure::of_connect),
        Err(_elapsed) => Err(failure::no_answer(limit)),
    }
}

/// Makes a connection, runs the work and closes; the connection is driven beside the work.
///
/// # Errors
///
/// As [`config`] and [`connect`], and those of the work.
pub(super) async fn on_session<T, E: From<StoreError>>(
    url: &str,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, E>,
) -> Result<T, E> {
    let (mut client, connection) = connect(&config(url)?).await?;
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

/// Each host of an address has its time, so that the last can answer when the first is dead.
fn connect_max(config: &Config) -> Duration {
    let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
    CONNECT_MAX * u32::try_from(hosts).unwrap_or(1).max(1)
}

/// Makes a pool that connects when it is first used.
pub(super) fn pool(config: Config, options: &PostgresOptions) -> Result<Pool, StoreError> {
    let create_max = connect_max(&config);
    // A connection comes back clean or not at all (`session`), so a closed one
    // is all that a recycling has to look for.
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_config(config, NoTls, recycling))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_asks_for_tls_is_refused_and_not_weakened() {
        let error = config("postgres://u:secret@db/x?sslmode=require").unwrap_err();
        assert_eq!(error.class, StoreErrorClass::Misconfigured);
        let text = format!("{:?}", error.source);
        assert!(
            text.contains("sslmode=require") && !text.contains("secret"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for url in [
            "",
            "postgres://u:secret@h:port/x",
            "postgres:///x",
            "mysql://u:secret@h/x",
            "postgres://u:p@ss?secret=x@h/x",
        ] {
            let error = config(url).unwrap_err();
            assert_eq!(error.class, StoreErrorClass::Misconfigured, "{url}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
