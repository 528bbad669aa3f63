//! A queue over HTTP, a database, and a worker between them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fleet::consume::{Limits, Parts, Progress, Quarantine, Queues, Valve, Worker};
use fleet::message::{Failure, Message, Outgoing};
use fleet::queue::{ClientOptions, Queue, Sqs as Account};
use fleet::service::aside::Aside;
use fleet::service::config::{GroupPolicy, LogSuccess};
use fleet::service::health::Health;
use fleet::service::metrics::{self, Recorder};
use fleet::service::retry::Jitter;
use fleet::service::shutdown::Shutdown;
use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, Subscription, migrate,
};
use fleet::testing::database::TestDatabase;
use fleet::{Consumer, EventKey, NewEvent};
use fleet_tests::mailbox::{Counts, Mailbox};
use fleet_tests::patience::{PATIENCE, until};
use sqs_local::Sqs;
use sqs_local::http::Server;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::job::Job;

const GRACE: Duration = Duration::from_secs(10);

/// How long a look into the dead-letter queue waits: a call ends after five seconds.
const LOOK: Duration = Duration::from_secs(1);

/// A process has one.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

/// A queue, a database and a worker's surroundings.
pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) store: PostgresStore,
    pub(crate) sqs: Sqs,
    pub(crate) server: Server,
    elsewhere: Aside,
    pub(crate) account: Account,
    /// The queue as the SDK sees it.
    pub(crate) queue: Arc<dyn Queue>,
    /// The same from inside.
    pub(crate) mailbox: Mailbox,
    pub(crate) dead: Arc<dyn Queue>,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    pub(crate) aside: Aside,
    pub(crate) limits: Limits,
}

/// A worker at work.
pub(crate) struct Play {
    pub(crate) progress: Arc<Progress>,
    pub(crate) running: JoinHandle<()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on("jobs", Duration::from_secs(30)).await
    }

    /// Makes one with a queue of this name and visibility timeout.
    ///
    /// Metrics are the process's: of a name of its own they tell only of one test.
    pub(crate) async fn on(name: &str, visibility: Duration) -> Self {
        RECORDER.get_or_init(|| metrics::install("0", "test").unwrap());
        let database = TestDatabase::migrated("runtime", prepare).await.unwrap();
        let store = PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap();
        let sqs = Sqs::default();
        // On a thread of its own, as SQS is.
        let elsewhere = Aside::start("sqs").unwrap();
        let bind = Server::bind("127.0.0.1:0", sqs.clone());
        let server = elsewhere.handle().spawn(bind).await.unwrap().unwrap();
        let (mailbox, dead_mailbox) = Mailbox::pair(&sqs, name).await;
        let seconds = visibility.as_secs().to_string();
        mailbox.set("VisibilityTimeout", &seconds).await;
        let account = Account::local(&server.url());
        let of = |mailbox: &Mailbox| {
            let queue = account.queue(mailbox.url(), ClientOptions::calling());
            Arc::new(queue) as Arc<dyn Queue>
        };
        Self {
            queue: of(&mailbox),
            dead: of(&dead_mailbox),
            mailbox,
            database,
            store,
            sqs,
            server,
            elsewhere,
            account,
            health: Health::new(),
            shutdown: Shutdown::new(GRACE),
            aside: Aside::start("aside").unwrap(),
            limits: Limits {
                consumer: "jobs",
                queue: name.to_owned(),
                version: "1.0.0 (test)".to_owned(),
                concurrency: 16,
                handler_timeout: Duration::from_secs(30),
                attempts_max: 3,
                receive_wait: Duration::from_secs(1),
                visibility,
                unknown_type_grace: Duration::from_secs(3600),
                rate_limit: None,
                bytes_max: Limits::BYTES_MAX,
                group_policy: name.ends_with(".fifo").then(GroupPolicy::default),
                log_success: LogSuccess::None,
            },
        }
    }

    /// Puts SQS under a plan of faults.
    pub(crate) fn faults(&self, plan: &str) {
        self.sqs.set_faults(plan.parse().unwrap());
    }

    /// Reads a counter of this queue that is split by result.
    pub(crate) fn counted(&self, metric: &str, result: &str) -> u64 {
        let queue = &self.limits.queue;
        let labels = match result {
            "" => format!("{{queue=\"{queue}\"}} "),
            _ => format!("{{queue=\"{queue}\",result=\"{result}\"}} "),
        };
        let page = RECORDER.get().unwrap().render();
        let series = format!("{metric}{labels}");
        let value = page.lines().find_map(|line| line.strip_prefix(&series));
        value.and_then(|value| value.parse().ok()).unwrap()
    }

    /// Starts a worker whose deletes go through another address, if one is given.
    pub(crate) fn start(&self, consumer: Consumer, settle_at: Option<SocketAddr>) -> Play {
        let url = self.queue.url();
        let client = |options| Arc::new(self.account.queue(url, options)) as Arc<dyn Queue>;
        let settle = match settle_at {
            Some(addr) => {
                let account = Account::local(&format!("http://{addr}"));
                Arc::new(account.queue(url, ClientOptions::calling())) as Arc<dyn Queue>
            }
            None => client(ClientOptions::calling()),
        };
        let parts = Parts {
            queues: Queues {
                receive: client(ClientOptions::receiving(self.limits.receive_wait)),
                settle,
                lease: client(ClientOptions::calling()),
                dead_letters: Arc::clone(&self.dead),
            },
            store: Arc::new(self.store.clone()),
            limits: self.limits.clone(),
            health: self.health.clone(),
            jitter: Jitter::from_entropy(),
            valve: Valve::default(),
            quarantine: Quarantine::default(),
        };
        let worker = Worker::new(consumer, parts);
        let progress = worker.progress();
        let (aside, shutdown) = (self.aside.handle().clone(), self.shutdown.clone());
        let enforcing = self.shutdown.clone();
        self.aside
            .spawn(async move { enforcing.enforce_grace().await });
        let running = tokio::spawn(async move { worker.run(&aside, &shutdown).await });
        Play { progress, running }
    }

    pub(crate) async fn send(&self, jobs: impl IntoIterator<Item = (String, Job)>) {
        let messages: Vec<Outgoing> = jobs
            .into_iter()
            .map(|(id, job)| {
                let event = NewEvent::new(EventKey::new("/test", id), &job).unwrap();
                event.to_message()
            })
            .collect();
        for batch in messages.chunks(10) {
            let sent = self.queue.send(batch).await.unwrap();
            assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        }
    }

    pub(crate) async fn until_empty(&self) {
        until("the queue is empty", || async {
            (self.mailbox.counts().await == Counts::NONE).then_some(())
        })
        .await;
    }

    /// Returns how many effects there are, and of how many events.
    pub(crate) async fn effects(&self) -> (i64, i64) {
        let row = self
            .query("select count(*), count(distinct event) from effects")
            .await;
        (row.get(0), row.get(1))
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.query(sql).await.get(0)
    }

    pub(crate) async fn query(&self, sql: &str) -> tokio_postgres::Row {
        let client = connect(self.database.url()).await;
        client.query_one(sql, &[]).await.unwrap()
    }

    /// Takes copies out of the dead-letter queue, as soon as there are so many.
    pub(crate) async fn dig_out(&self, count: usize) -> Vec<Message> {
        let digging = async {
            let mut dug = Vec::new();
            while dug.len() < count {
                for copy in self.dead.receive(10, LOOK).await.unwrap() {
                    let deleted = self.dead.delete(std::slice::from_ref(&copy.receipt)).await;
                    assert!(deleted.unwrap()[0].is_ok());
                    dug.push(copy);
                }
            }
            dug
        };
        timeout(PATIENCE, digging).await.expect("they die in time")
    }

    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<(Message, Failure)> {
        let copies = self.dig_out(count).await.into_iter();
        copies
            .map(|mut copy| {
                let failure = copy.failure.take().expect("the copy says why");
                (copy, *failure)
            })
            .collect()
    }

    pub(crate) async fn stop(&self, play: Play) {
        self.shutdown.request();
        play.running.await.unwrap();
        // Nothing is left that a grace could be for.
        self.shutdown.stop_working.cancel();
    }

    /// Makes room for another worker after one that was stopped.
    pub(crate) fn renew_shutdown(&mut self) {
        self.shutdown = Shutdown::new(GRACE);
    }

    pub(crate) async fn end(self, play: Play) {
        self.stop(play).await;
        self.close().await;
    }

    /// Ends everything around a worker that was stopped.
    pub(crate) async fn close(self) {
        self.store.close().await;
        assert!(self.aside.stop(PATIENCE).await);
        self.server.shutdown().await;
        assert!(self.elsewhere.stop(PATIENCE).await);
    }
}

async fn prepare(url: String) -> Result<(), Box<dyn Error + Send + Sync>> {
    let subscription = Subscription {
        event_type: "job".to_owned(),
        consumer: "others".to_owned(),
    };
    let options = MigrateOptions::default();
    migrate(&url, &options, &[Migrations::RUNTIME], &[subscription]).await?;
    let client = connect(&url).await;
    let tables = "create table effects (event text not null); \
                  create table single (one int primary key); insert into single values (1)";
    client.batch_execute(tables).await?;
    Ok(())
}

pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
