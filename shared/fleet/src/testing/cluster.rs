//! A private, throw-away Postgres cluster, for tests and for `fleet dev`.
//!
//! It shares nothing with a Postgres that may run on the machine: its own
//! directory, its own port on loopback, its own random password. A supervising
//! shell holds a pipe from this process; when this process ends, by SIGKILL
//! too, the shell stops Postgres and removes the directory.

mod account;
mod programs;
mod supervisor;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use account::Account;
use programs::Programs;
use supervisor::Supervisor;
use tokio::net::TcpSocket;

/// How many ports are tried: between asking for a free one and Postgres binding
/// it another process may take it, but hardly five times running.
const PORT_ATTEMPTS: usize = 5;

/// A running Postgres that ends with this value, or with this process.
pub struct Cluster {
    supervisor: Supervisor,
    port: u16,
    password: String,
}

/// A Postgres that was killed; its address refuses, and its data are what it had committed.
#[derive(Debug)]
pub struct CrashedCluster {
    cluster: Cluster,
    /// Keeps others from taking the port meanwhile.
    _port: TcpSocket,
}

/// What a crash of the machine may cost; the cluster is removed at its end in
/// both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// No fsync: for tests. A commit is still waited for, because the fleet
    /// refuses a server whose `synchronous_commit` is off.
    Throwaway,
    /// As a server in production: for `fleet dev`, whose speed should be honest.
    Durable,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// No usable server programs on this machine.
    #[error(
        "found no Postgres 14 or newer{reasons}\n  to install it: {install}\n  or name its folder: FLEET_PG_BIN=/path/to/bin"
    )]
    NoPostgres {
        /// One indented line a place that was looked at and did not do.
        reasons: String,
        /// The line to type on this machine.
        install: &'static str,
    },
    /// As root another user is needed, since Postgres refuses to run as root.
    #[error(
        "Postgres does not run as root, and /etc/passwd has neither `postgres` nor `nobody` to run it as"
    )]
    NoAccount,
    /// A program or a file of the machine did not do its part.
    #[error("could not {action}")]
    Machine {
        /// What was tried.
        action: String,
        /// What the machine said.
        source: io::Error,
    },
    /// Postgres was run and failed.
    #[error("postgres: {step} failed; the end of its log:\n{log}")]
    Failed {
        /// `init` or `start`.
        step: &'static str,
        /// The last lines it wrote.
        log: String,
    },
    /// The supervisor gave no answer.
    #[error("postgres: no answer to `{step}` within {} s", limit.as_secs())]
    TimedOut {
        /// What it was asked to do.
        step: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The supervisor ended before it was told to.
    #[error("postgres: its supervisor ended during `{step}`")]
    Ended {
        /// What it was asked to do.
        step: &'static str,
    },
}

impl Cluster {
    /// Starts a cluster for tests; it takes less than two seconds.
    ///
    /// # Errors
    /// When no Postgres ≥ 14 is found (the text says what to type), or when it
    /// does not start (the text carries the end of its log).
    ///
    /// # Cancellation
    /// The start runs on to its end on another thread and is then undone.
    pub async fn start() -> Result<Self, ClusterError> {
        Self::start_with(Durability::Throwaway).await
    }

    /// Starts a cluster of the given durability; otherwise as [`Cluster::start`].
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_with(durability: Durability) -> Result<Self, ClusterError> {
        blocking(move || Self::start_blocking(durability)).await?
    }

    /// Returns the address of the database `postgres`, password included.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "postgres://fleet:{}@127.0.0.1:{}/postgres",
            self.password, self.port
        )
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory with its data and its log, to look into.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.supervisor.directory()
    }

    /// Kills Postgres without a checkpoint, as a crash does.
    ///
    /// # Errors
    /// When its supervisor does not answer.
    ///
    /// # Cancellation
    /// The cluster is lost, as if it were dropped.
    pub async fn crash(mut self) -> Result<CrashedCluster, ClusterError> {
        blocking(move || {
            self.supervisor.ask("crash", "")?;
            let port = reserve(self.port).map_err(ClusterError::machine("keep the port"))?;
            Ok(CrashedCluster {
                cluster: self,
                _port: port,
            })
        })
        .await?
    }

    /// Stops Postgres and removes its directory, as dropping does, but without
    /// blocking the runtime.
    ///
    /// # Errors
    /// When the clean-up panicked, which is a bug.
    pub async fn stop(self) -> Result<(), ClusterError> {
        blocking(move || drop(self)).await
    }

    fn start_blocking(durability: Durability) -> Result<Self, ClusterError> {
        let account = Account::to_run_as()?;
        let programs = Programs::find(account.as_ref())?;
        let mut supervisor = Supervisor::spawn(account.as_ref(), &settings(durability))?;
        supervisor.adopt(&programs)?;

        // 122 random bits from the operating system.
        let password = uuid::Uuid::new_v4().simple().to_string();
        supervisor.ask("init", &password)?;

        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match supervisor.ask("start", &port.to_string()) {
                Ok(()) => {
                    return Ok(Self {
                        supervisor,
                        port,
                        password,
                    });
                }
                Err(ClusterError::Failed { log, .. })
                    if log.contains("Address already in use") && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl CrashedCluster {
    /// Starts Postgres again, at the same address.
    ///
    /// # Errors
    /// When it does not start.
    ///
    /// # Cancellation
    /// The cluster is lost, as if it were dropped.
    pub async fn restart(mut self) -> Result<Cluster, ClusterError> {
        let port = self.cluster.port.to_string();
        blocking(move || {
            self.cluster.supervisor.ask("start", &port)?;
            Ok(self.cluster)
        })
        .await?
    }
}

/// Without the password.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("port", &self.port)
            .field("directory", &self.directory())
            .finish_non_exhaustive()
    }
}

/// Options of the server, beyond those of a fresh cluster.
fn settings(durability: Durability) -> Vec<&'static str> {
    let mut settings = vec![
        // TCP with a password only: other users of the machine reach loopback too.
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        // A client that was killed keeps no lock for longer than this.
        "client_connection_check_interval=1s",
        // A database can be dropped only when nobody is just connecting to it;
        // shorter than this, and a busy machine's logins fail.
        "authentication_timeout=10s",
        "synchronous_commit=on",
        // The same plans and the same time everywhere. GMT is UTC under the one
        // name that Postgres knows without the machine's zone files.
        "jit=off",
        "timezone=GMT",
        "log_timezone=GMT",
    ];
    if durability == Durability::Throwaway {
        settings.extend(["fsync=off", "full_page_writes=off"]);
    }
    settings
}

fn free_port() -> Result<u16, ClusterError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ClusterError::machine("find a free port on 127.0.0.1"))
}

/// Takes a port without listening on it; Postgres may join, nobody else does.
fn reserve(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ClusterError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ClusterError::machine("look after a cluster")(io::Error::other(error)))
}

impl ClusterError {
    fn machine(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Machine {
            action: action.into(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    #[tokio::test]
    async fn a_cluster_answers_and_leaves_nothing_behind() {
        let cluster = Cluster::start().await.unwrap();
        let directory = cluster.directory().to_owned();
        assert!(directory.join("data").exists());

        let (client, connection) = tokio_postgres::connect(&cluster.url(), tokio_postgres::NoTls)
            .await
            .unwrap();
        let ask = async move {
            let row = client
                .query_one(
                    "select current_setting('synchronous_commit'), now()::text",
                    &[],
                )
                .await
                .unwrap();
            (row.get::<_, String>(0), row.get::<_, String>(1))
        };
        let ((commit, now), closed) = tokio::join!(ask, connection);
        closed.unwrap();
        assert_eq!(commit, "on");
        assert!(now.ends_with("+00"), "{now} is not in UTC");

        let port = cluster.port();
        cluster.stop().await.unwrap();
        assert!(
            !Path::new(&directory).exists(),
            "{} is left",
            directory.display()
        );
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[tokio::test]
    async fn what_was_committed_before_a_crash_is_there_after_it_and_nobody_is_heard_between() {
        let cluster = Cluster::start().await.unwrap();
        let url = cluster.url();
        let connect = || tokio_postgres::connect(&url, tokio_postgres::NoTls);
        let (client, connection) = connect().await.unwrap();
        let write = "create table kept as select 7 as one";
        let (written, closed) = tokio::join!(
            async move {
                let written = client.batch_execute(write).await;
                drop(client);
                written
            },
            connection
        );
        written.unwrap();
        closed.unwrap();

        let crashed = cluster.crash().await.unwrap();
        assert!(connect().await.is_err());
        let _cluster = crashed.restart().await.unwrap();
        let (client, connection) = connect().await.unwrap();
        let read = async move { client.query_one("select one from kept", &[]).await };
        let (row, _closed) = tokio::join!(read, connection);
        assert_eq!(row.unwrap().get::<_, i32>(0), 7);
    }

    #[tokio::test]
    async fn a_wrong_password_is_refused() {
        let cluster = Cluster::start().await.unwrap();
        let url = cluster.url().replace(&cluster.password, "guess");
        let error = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .err()
            .unwrap();
        assert_eq!(
            error.code(),
            Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD)
        );
    }

    /// Says that this process is the one to be killed.
    const OWNER: &str = "FLEET_TEST_OWNER";

    /// Not a test: the process that the next test kills, which holds its stdin.
    #[tokio::test]
    #[ignore = "started by the test of a killed owner"]
    async fn owner() {
        if std::env::var_os(OWNER).is_some() {
            let cluster = Cluster::start().await.unwrap();
            println!("\n{} {}", cluster.url(), cluster.directory().display());
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
    }

    #[tokio::test]
    async fn an_owner_that_is_killed_leaves_nothing_behind() {
        let (_crate, module) = module_path!().split_once("::").unwrap();
        let mut owner = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                &format!("{module}::owner"),
            ])
            .env(OWNER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(owner.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let line = lines
            .into_iter()
            .find(|line| line.starts_with("postgres://"))
            .unwrap();
        let (url, directory) = line.split_once(' ').unwrap();
        let (_client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .unwrap();

        owner.kill().unwrap();
        owner.wait().unwrap();
        // Postgres hangs up, and after it the directory goes.
        let watch = async {
            let _ = connection.await;
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while Path::new(directory).exists() {
                look.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), watch)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_supervisor_that_is_killed_leaves_nothing_behind() {
        let cluster = Cluster::start().await.unwrap();
        let directory = cluster.directory().to_owned();
        cluster.supervisor.kill();
        cluster.stop().await.unwrap();
        assert!(!directory.exists(), "{} is left", directory.display());
    }

    #[test]
    fn a_failed_start_carries_the_end_of_the_log() {
        let account = Account::to_run_as().unwrap();
        let programs = Programs::find(account.as_ref()).unwrap();
        let mut supervisor = Supervisor::spawn(account.as_ref(), &["no_such_setting=1"]).unwrap();
        supervisor.adopt(&programs).unwrap();
        supervisor.ask("init", "password").unwrap();
        let error = supervisor
            .ask("start", &free_port().unwrap().to_string())
            .unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }
}
