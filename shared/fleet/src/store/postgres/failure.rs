use std::error::Error as _;
use std::io;
use std::time::Duration;

use deadpool_postgres::{HookError, PoolError, TimeoutType};

use super::said;
use crate::store::{StoreError, StoreErrorClass};

/// How long a connection may take to be made: a round trip takes milliseconds,
/// a start of the server under load some seconds.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What the pool is told when a server accepts a connection and then hangs.
pub(super) const NO_ANSWER: &str = "no answer to the first statement";

/// Classifies what the driver says of a statement.
pub(super) fn of_statement(error: tokio_postgres::Error) -> StoreError {
    let sqlstate = error.code().map(|state| state.code().to_owned());
    let class = match &sqlstate {
        Some(_) if is_stale_plan(&error) => StoreErrorClass::Conflict,
        Some(state) => StoreErrorClass::of_sqlstate(state),
        None if is_connection_lost(&error) => StoreErrorClass::Unavailable,
        None => StoreErrorClass::Statement,
    };
    StoreError {
        class,
        sqlstate,
        source: Some(said::without_values(&error).into()),
    }
}

/// Classifies what the pool says instead of a connection.
pub(super) fn of_pool(error: PoolError) -> StoreError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StoreError {
            class: StoreErrorClass::Busy,
            sqlstate: None,
            source: Some(Box::new(error)),
        },
        // Each host of an address has had its time.
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => no_answer(CONNECT_MAX),
        PoolError::PostCreateHook(HookError::Message(text)) if text == NO_ANSWER => {
            StoreError::new(StoreErrorClass::Unavailable, NO_ANSWER)
        }
        PoolError::PostCreateHook(HookError::Message(refusal)) => {
            StoreError::new(StoreErrorClass::Misconfigured, refusal.into_owned())
        }
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            of_connect(error)
        }
        error => StoreError::new(StoreErrorClass::Unavailable, error),
    }
}

/// Whatever keeps a connection from being made is an outage, be it a password
/// in rotation or a database that is being restored.
pub(super) fn of_connect(error: tokio_postgres::Error) -> StoreError {
    let sqlstate = error.code().map(|state| state.code().to_owned());
    StoreError {
        class: StoreErrorClass::Unavailable,
        sqlstate,
        source: Some(said::without_values(&error).into()),
    }
}

/// Makes the error of a server that keeps its connection and says nothing.
pub(super) fn no_answer(limit: Duration) -> StoreError {
    StoreError::new(
        StoreErrorClass::Unavailable,
        format!("no answer within {} s", limit.as_secs()),
    )
}

/// A migration changed a table under a prepared statement: a new connection knows better.
///
/// Postgres gives it the SQLSTATE of "feature not supported"; the routine tells.
fn is_stale_plan(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        error.code().code() == "0A000" && error.routine() == Some("RevalidateCachedQuery")
    })
}

fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    // The driver reports what it cannot encode as an io::Error of this kind.
    let io = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    error.is_closed() || io.is_some_and(|error| error.kind() != io::ErrorKind::InvalidInput)
}
