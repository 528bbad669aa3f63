//! A database for each test, copied from a template that was migrated once.
//!
//! ```no_run
//! # use fleet::testing::database::{DatabaseError, TestDatabase};
//! # async fn migrate(_url: String) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn example() -> Result<(), DatabaseError> {
//! let database = TestDatabase::migrated("runtime", migrate).await?;
//! // Connect to database.url(); it is dropped with `database`.
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::cluster::{Cluster, ClusterError};

/// The server that tests use instead of one of their own; loopback only.
pub const SERVER_VARIABLE: &str = "FLEET_TEST_DATABASE_URL";

/// How long one statement may take; copying a template takes some 50 ms.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// How long a template may still be in use: the connections of a migration are
/// closed by the client before the server has noticed.
const TEMPLATE_IN_USE_LIMIT: Duration = Duration::from_secs(10);

/// How long between two tries to copy a template that is in use.
const TEMPLATE_IN_USE_PAUSE: Duration = Duration::from_millis(20);

/// How long dropping a database may hold up its thread. It waits for every login
/// that is under way on the server, and the runtime of such a login may be the
/// one that is held up here: it has to go on before the server loses patience.
const DROP_WAIT: Duration = Duration::from_secs(2);

/// A database that is dropped with this value, connections or not.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
    url: String,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// There is no server.
    #[error("no server for test databases")]
    Cluster(#[from] ClusterError),
    /// The address is no address, or not of this machine.
    #[error("refused {variable}: {reason}", variable = SERVER_VARIABLE)]
    Address {
        /// What is wrong with it; never the address, which holds a password.
        reason: &'static str,
    },
    /// The server refused a statement.
    #[error("could not {action}")]
    Server {
        /// What was tried.
        action: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server did not answer.
    #[error("could not {action} within {} s", STATEMENT_LIMIT.as_secs())]
    TimedOut {
        /// What was tried.
        action: String,
    },
    /// The caller's migration of a template failed.
    #[error("could not migrate the template `{name}`")]
    Migration {
        /// The template's name, as the caller knows it.
        name: &'static str,
        /// What the migration said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl TestDatabase {
    /// Makes a copy of `template` on the server at `server_url`.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    ///
    /// # Cancellation
    /// May leave the new database behind.
    pub async fn create(server_url: &str, template: &str) -> Result<Self, DatabaseError> {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        copy_template(server_url, template, &name).await?;
        let url = with_database(server_url, &name);
        Ok(Self {
            server: server_url.to_owned(),
            name,
            url,
        })
    }

    /// Makes an empty database on the shared server.
    ///
    /// # Errors
    /// As [`TestDatabase::create`] and [`shared_cluster`].
    pub async fn empty() -> Result<Self, DatabaseError> {
        Self::create(shared_cluster().await?, "template1").await
    }

    /// Makes a copy of the template `name` on the shared server; the first call
    /// in this process makes the template with `migrate`, see [`template`].
    ///
    /// # Errors
    /// As [`TestDatabase::create`] and [`template`].
    pub async fn migrated<M, F, E>(name: &'static str, migrate: M) -> Result<Self, DatabaseError>
    where
        M: FnOnce(String) -> F,
        F: Future<Output = Result<(), E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let template = template(name, migrate).await?;
        Self::create(shared_cluster().await?, &template).await
    }

    /// Returns its address, password included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    /// Drops the database, best effort: a test that leaks is not a test that
    /// fails. On a thread of its own, because this may be a runtime's thread.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let statement = format!("drop database if exists {name} with (force)");
            let _ = runtime.map(|runtime| runtime.block_on(execute(&server, &statement)));
            // Nobody listens who has waited for long enough.
            let _ = done.send(());
        });
        let _ = is_done.recv_timeout(DROP_WAIT);
    }
}

/// Returns the address of the server that all tests of this process share: the
/// one of `FLEET_TEST_DATABASE_URL`, else a cluster started by the first call,
/// which ends with the process.
///
/// # Errors
/// When the variable names another machine, or no cluster can be started.
pub async fn shared_cluster() -> Result<&'static str, DatabaseError> {
    static SERVER: OnceCell<(String, Option<Cluster>)> = OnceCell::const_new();
    let (url, _) = SERVER
        .get_or_try_init(|| async {
            if let Ok(url) = std::env::var(SERVER_VARIABLE) {
                require_loopback(&url)?;
                return Ok::<_, DatabaseError>((url, None));
            }
            let cluster = Cluster::start().await?;
            Ok((cluster.url(), Some(cluster)))
        })
        .await?;
    Ok(url)
}

/// Returns the template database `name` on the shared server. The first call
/// in this process creates it and lets `migrate` fill it, given its address;
/// others wait for that. A failed migration is tried again by the next caller.
///
/// # Errors
/// As [`shared_cluster`], or when `migrate` fails.
pub async fn template<M, F, E>(name: &'static str, migrate: M) -> Result<String, DatabaseError>
where
    M: FnOnce(String) -> F,
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Templates = Mutex<Option<HashMap<&'static str, Arc<OnceCell<String>>>>>;
    static TEMPLATES: Templates = Mutex::new(None);
    let cell = TEMPLATES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_default()
        .entry(name)
        .or_default()
        .clone();
    let template = cell
        .get_or_try_init(|| async {
            let server = shared_cluster().await?;
            let database = format!("template_{}", uuid::Uuid::new_v4().simple());
            copy_template(server, "template1", &database).await?;
            migrate(with_database(server, &database))
                .await
                .map_err(|error| DatabaseError::Migration {
                    name,
                    source: error.into(),
                })?;
            Ok::<_, DatabaseError>(database)
        })
        .await?;
    Ok(template.clone())
}

/// Creates `name` as a copy, waiting while somebody is connected to `template`.
async fn copy_template(server: &str, template: &str, name: &str) -> Result<(), DatabaseError> {
    let statement = format!("create database {name} template {template}");
    let deadline = Instant::now() + TEMPLATE_IN_USE_LIMIT;
    loop {
        match execute(server, &statement).await {
            Err(DatabaseError::Server { source, .. })
                if source.code() == Some(&SqlState::OBJECT_IN_USE) && Instant::now() < deadline =>
            {
                tokio::time::sleep(TEMPLATE_IN_USE_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Runs one statement on a connection of its own, within a limit.
async fn execute(url: &str, statement: &str) -> Result<(), DatabaseError> {
    let work = async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let run = async move { client.batch_execute(statement).await };
        let (result, connection) = tokio::join!(run, connection);
        // What a connection ended of says more than that it is closed.
        connection.and(result)
    };
    match tokio::time::timeout(STATEMENT_LIMIT, work).await {
        Ok(result) => result.map_err(|source| DatabaseError::Server {
            action: statement.to_owned(),
            source,
        }),
        Err(_elapsed) => Err(DatabaseError::TimedOut {
            action: statement.to_owned(),
        }),
    }
}

/// Tests create and drop databases: that is for this machine only.
fn require_loopback(url: &str) -> Result<(), DatabaseError> {
    let refused = |reason| Err(DatabaseError::Address { reason });
    let Ok(config) = Config::from_str(url) else {
        return refused("it is no address of a Postgres server");
    };
    if !url.contains("://") {
        return refused(
            "it has to be of the form postgres://user:password@127.0.0.1:port/postgres",
        );
    }
    let local = |host: &Host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(is_loopback),
        Host::Unix(_) => true,
    };
    let hosts = config.get_hosts().iter().all(local);
    if hosts
        && config
            .get_hostaddrs()
            .iter()
            .all(|address| is_loopback(*address))
    {
        Ok(())
    } else {
        refused("its host is not this machine's loopback")
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.is_loopback()
}

/// Replaces the database in a URL, keeping what follows it.
fn with_database(url: &str, name: &str) -> String {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..]
        .find(['/', '?'])
        .map_or(url.len(), |at| host + at);
    let query = url[path..].find('?').map_or("", |at| &url[path + at..]);
    format!("{}/{name}{query}", &url[..path])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    async fn count(url: &str, query: &str) -> i64 {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let ask = async move { client.query_one(query, &[]).await.unwrap().get(0) };
        let (count, closed) = tokio::join!(ask, connection);
        closed.unwrap();
        count
    }

    #[tokio::test]
    async fn a_template_is_migrated_once_and_copied_for_each_test() {
        static MIGRATIONS: AtomicUsize = AtomicUsize::new(0);
        let migrate = |url: String| async move {
            MIGRATIONS.fetch_add(1, Ordering::SeqCst);
            execute(&url, "create table goods as select 7 as id").await
        };
        let (one, two, three) = tokio::join!(
            TestDatabase::migrated("goods", migrate),
            TestDatabase::migrated("goods", migrate),
            TestDatabase::migrated("goods", migrate),
        );
        let (one, two, three) = (one.unwrap(), two.unwrap(), three.unwrap());
        assert_eq!(MIGRATIONS.load(Ordering::SeqCst), 1);

        execute(one.url(), "insert into goods values (8)")
            .await
            .unwrap();
        assert_eq!(count(one.url(), "select count(*) from goods").await, 2);
        assert_eq!(count(two.url(), "select count(*) from goods").await, 1);
        assert_eq!(count(three.url(), "select count(*) from goods").await, 1);
    }

    #[tokio::test]
    async fn a_database_is_dropped_under_open_connections() {
        let database = TestDatabase::empty().await.unwrap();
        let query = format!(
            "select count(*) from pg_database where datname = '{}'",
            database.name()
        );
        let server = shared_cluster().await.unwrap();
        assert_eq!(count(server, &query).await, 1);
        let (_client, _connection) = tokio_postgres::connect(database.url(), NoTls)
            .await
            .unwrap();
        drop(database);
        // Usually at once; when others log in all the time, soon.
        let deadline = Instant::now() + STATEMENT_LIMIT;
        while count(server, &query).await > 0 {
            assert!(Instant::now() < deadline, "it is still there");
        }
    }

    #[tokio::test]
    async fn a_failed_migration_is_named_and_tried_again() {
        let broken = |_url| async { Err::<(), _>("no such table") };
        let error = TestDatabase::migrated("broken", broken).await.unwrap_err();
        assert_eq!(error.to_string(), "could not migrate the template `broken`");
        let mended = |_url| async { Ok::<_, DatabaseError>(()) };
        TestDatabase::migrated("broken", mended).await.unwrap();
    }

    #[test]
    fn only_loopback_is_accepted() {
        let check = |url: &str, ok: bool| assert_eq!(require_loopback(url).is_ok(), ok, "{url}");
        check("postgres://fleet:pw@127.0.0.1:5432/postgres", true);
        check("postgres://fleet:pw@127.8.8.8/postgres", true);
        check("postgres://fleet:pw@localhost/postgres", true);
        check("postgres://fleet:pw@[::1]:5432/postgres", true);
        check("postgres://fleet:pw@db.example.com/postgres", false);
        check("postgres://fleet:pw@192.0.2.7/postgres", false);
        check(
            "postgres://fleet:pw@127.0.0.1,db.example.com/postgres",
            false,
        );
        check(
            "postgres://fleet:pw@localhost/postgres?hostaddr=192.0.2.7",
            false,
        );
        check("host=127.0.0.1 user=fleet", false);
        check("", false);
    }

    #[test]
    fn the_database_of_an_address_is_replaced() {
        let check = |url: &str, expected: &str| assert_eq!(with_database(url, "x"), expected);
        check("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/x");
        check("postgres://u:p@h:1", "postgres://u:p@h:1/x");
        check(
            "postgres://u:p@h:1?connect_timeout=1",
            "postgres://u:p@h:1/x?connect_timeout=1",
        );
        check(
            "postgres://h/a?connect_timeout=1",
            "postgres://h/x?connect_timeout=1",
        );
    }
}
