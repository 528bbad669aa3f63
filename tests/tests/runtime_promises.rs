//! The runtime on real parts: the AWS SDK over HTTP against sqs-local, and Postgres.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fleet::consume::{Limits, Parts, Progress, Quarantine, Queues, Valve, Worker};
use fleet::message::{Failure, Message, Outgoing};
use fleet::queue::{ClientOptions, Queue, QueueAttributes, Sqs as Account};
use fleet::service::admin::AdminServer;
use fleet::service::aside::Aside;
use fleet::service::config::LogSuccess;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::service::shutdown::Shutdown;
use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, Subscription, migrate,
};
use fleet::testing::database::TestDatabase;
use fleet::{
    BatchError, BatchHandler, Consumer, Context, Done, Envelope, Event, EventKey, Handler,
    HandlerError, NewEvent, Tx,
};
use fleet_tests::gate::Gate;
use fleet_tests::patience::{PATIENCE, until};
use serde::{Deserialize, Serialize};
use sqs_local::http::Server;
use sqs_local::{DeleteQueue, Sqs};
use tokio::task::JoinHandle;

const GRACE: Duration = Duration::from_secs(10);

const INSERT: &str = "insert into effects (event) values ($1)";

/// What a handler is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Job {
    /// Writes its effect.
    Keep,
    /// Writes its effect and publishes an event.
    Publish,
    /// Writes its effect and sleeps in the database for a minute.
    Hang,
    /// Breaks a constraint, so that a retry may help.
    Violate,
    /// Writes what Postgres can never store.
    Unstorable,
    /// Writes its effect and keeps its connection for a while.
    Dawdle,
    /// Blocks its thread.
    Block,
}

impl Event for Job {
    const TYPE: &'static str = "job";
}

/// Writes one row an event: a second one would show.
#[derive(Default)]
struct Keeper {
    /// Tells that it blocks, and waits to be released.
    blocking: Option<(Sender<()>, Mutex<Receiver<()>>)>,
}

struct KeepAll;

/// A queue, a database and a worker's surroundings.
struct Scene {
    database: TestDatabase,
    store: PostgresStore,
    sqs: Sqs,
    server: Server,
    elsewhere: Aside,
    account: Account,
    queue: Arc<dyn Queue>,
    dead: Arc<dyn Queue>,
    health: Health,
    shutdown: Shutdown,
    aside: Aside,
    limits: Limits,
}

/// A worker at work.
struct Play {
    progress: Arc<Progress>,
    running: JoinHandle<()>,
}

impl Scene {
    async fn new() -> Self {
        Self::with_visibility(Duration::from_secs(30)).await
    }

    async fn with_visibility(visibility: Duration) -> Self {
        let database = TestDatabase::migrated("runtime", prepare).await.unwrap();
        let store = PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap();
        let sqs = Sqs::default();
        // On a thread of its own, as SQS is: a handler may block all others.
        let elsewhere = Aside::start("sqs").unwrap();
        let bind = Server::bind("127.0.0.1:0", sqs.clone());
        let server = elsewhere.handle().spawn(bind).await.unwrap().unwrap();
        let account = Account::local(&server.url());
        let dead = account.create("jobs-dlq", &[]).await.unwrap();
        let redrive = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:jobs-dlq","maxReceiveCount":100}"#;
        let attributes = [
            ("VisibilityTimeout", visibility.as_secs().to_string()),
            ("RedrivePolicy", redrive.to_owned()),
        ];
        let queue = account.create("jobs", &attributes).await.unwrap();
        let of = |url: &str| Arc::new(account.queue(url, ClientOptions::calling()));
        Self {
            queue: of(&queue),
            dead: of(&dead),
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
                queue: "jobs".to_owned(),
                concurrency: 16,
                handler_timeout: Duration::from_secs(30),
                attempts_max: 3,
                receive_wait: Duration::from_secs(1),
                visibility,
                unknown_type_grace: Duration::from_secs(3600),
                log_success: LogSuccess::None,
            },
        }
    }

    /// Starts a worker whose deletes go through another address, if one is given.
    fn start(&self, consumer: Consumer, settle_at: Option<SocketAddr>) -> Play {
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

    async fn send(&self, jobs: impl IntoIterator<Item = (String, Job)>) {
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

    async fn counts(&self) -> QueueAttributes {
        self.queue.attributes().await.unwrap()
    }

    async fn until_empty(&self) {
        until("the queue is empty", || async {
            let counts = self.counts().await;
            (counts.visible + counts.in_flight + counts.delayed == 0).then_some(())
        })
        .await;
    }

    /// Returns how many effects there are, and of how many events.
    async fn effects(&self) -> (i64, i64) {
        let row = self
            .query("select count(*), count(distinct event) from effects")
            .await;
        (row.get(0), row.get(1))
    }

    async fn count(&self, sql: &str) -> i64 {
        self.query(sql).await.get(0)
    }

    async fn query(&self, sql: &str) -> tokio_postgres::Row {
        let client = connect(self.database.url()).await;
        client.query_one(sql, &[]).await.unwrap()
    }

    async fn dead_letters(&self, count: usize) -> Vec<(Message, Failure)> {
        let mut dead = Vec::new();
        while dead.len() < count {
            let received = self
                .dead
                .receive(10, Duration::from_secs(20))
                .await
                .unwrap();
            dead.extend(received.into_iter().map(|mut message| {
                let failure = message.failure.take().expect("the copy says why");
                (message, *failure)
            }));
        }
        dead
    }

    async fn stop(&self, play: Play) {
        self.shutdown.request();
        play.running.await.unwrap();
        // Nothing is left that a grace could be for.
        self.shutdown.stop_working.cancel();
    }

    async fn end(self, play: Play) {
        self.stop(play).await;
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

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

impl Handler for Keeper {
    type Event = Job;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        if let (Job::Block, Some((begun, release))) = (&job.data, &self.blocking) {
            begun.send(()).unwrap();
            // Not an await: the thread of the runtime stands still.
            release.lock().unwrap().recv().unwrap();
        }
        let tx = cx.begin().await?;
        tx.execute(INSERT, &[&job.key.id]).await?;
        match job.data {
            Job::Keep | Job::Block => {}
            Job::Publish => {
                let key = EventKey::new("/test/published", &job.key.id);
                let event = NewEvent::new(key, &Job::Keep).map_err(|error| {
                    HandlerError::permanent("no JSON").with_detail(error.to_string())
                })?;
                tx.publish(&event).await?;
            }
            Job::Hang => drop(tx.query("select pg_sleep(60)", &[]).await?),
            Job::Dawdle => drop(tx.query("select pg_sleep(0.1)", &[]).await?),
            Job::Violate => drop(tx.execute("insert into single values (1)", &[]).await?),
            Job::Unstorable => drop(tx.query(r#"select '"\u0000"'::jsonb"#, &[]).await?),
        }
        Ok(tx.finish())
    }
}

impl BatchHandler for KeepAll {
    type Event = Job;

    async fn handle(&self, jobs: &[Envelope<Job>], tx: &mut Tx<'_>) -> Result<(), BatchError> {
        for job in jobs {
            tx.execute(INSERT, &[&job.key.id]).await?;
            if matches!(job.data, Job::Violate) {
                tx.execute("insert into single values (1)", &[]).await?;
            }
        }
        Ok(())
    }
}

fn numbered(job: &Job, count: usize) -> Vec<(String, Job)> {
    (0..count).map(|n| (n.to_string(), job.clone())).collect()
}

fn jobs() -> Consumer {
    Consumer::new("jobs").handler(Keeper::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_many_times_over_has_its_effect_once() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    for _ in 0..3 {
        scene.send(numbered(&Job::Publish, 100)).await;
    }
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (100, 100));
    assert_eq!(play.progress.snapshot().duplicates, 200);
    let inbox = "select count(*) from fleet.inbox where consumer = 'jobs'";
    assert_eq!(scene.count(inbox).await, 100);
    assert_eq!(scene.count("select count(*) from fleet.outbox").await, 100);
    assert_eq!(scene.count("select count(*) from fleet.attempts").await, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_deletes_never_arrive_is_redelivered_and_only_deleted() {
    let scene = Scene::with_visibility(Duration::from_secs(2)).await;
    let gate = Gate::closed(scene.server.addr()).await;
    let play = scene.start(jobs(), Some(gate.addr()));
    scene.send(numbered(&Job::Keep, 30)).await;
    until("everything came back", || async {
        (play.progress.snapshot().duplicates >= 30).then_some(())
    })
    .await;
    gate.open();
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (30, 30));
    assert_eq!(scene.count("select count(*) from fleet.attempts").await, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_killed_in_the_middle_of_work_charge_nobody_and_double_nothing() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 600)).await;
    let client = connect(scene.database.url()).await;
    for share in 1..=3 {
        until("a part is done", || async {
            (scene.effects().await.0 >= share * 150).then_some(())
        })
        .await;
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where datname = current_database() and pid <> pg_backend_pid()";
        client.query(kill, &[]).await.unwrap();
    }
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (600, 600));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    assert_eq!(scene.dead.attributes().await.unwrap().visible, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_in_the_database_leaves_no_trace_and_no_poisoned_connection() {
    let mut scene = Scene::new().await;
    scene.limits.handler_timeout = Duration::from_millis(500);
    scene.limits.attempts_max = 1;
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Hang, 20)).await;
    for (_, failure) in scene.dead_letters(20).await {
        assert_eq!(failure.reason, "handler timed out");
    }
    assert_eq!(scene.effects().await, (0, 0));
    // The same connections serve the next worker, whose handlers have time.
    scene.stop(play).await;
    scene.shutdown = Shutdown::new(GRACE);
    scene.limits.handler_timeout = Duration::from_secs(30);
    let play = scene.start(jobs(), None);
    let keep = (100..150).map(|n| (n.to_string(), Job::Keep));
    scene.send(keep).await;
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (50, 50));
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_says_decides_between_a_retry_and_a_dead_letter() {
    let mut scene = Scene::new().await;
    scene.limits.attempts_max = 2;
    let play = scene.start(jobs(), None);
    let jobs = [Job::Unstorable, Job::Violate, Job::Keep];
    scene
        .send((0..).map(|n: u32| n.to_string()).zip(jobs))
        .await;
    let mut dead = scene.dead_letters(2).await;
    dead.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    let failures = dead.iter().map(|(_, failure)| {
        let detail = failure.detail.as_deref();
        (failure.reason.as_str(), detail, failure.attempts)
    });
    let expected = [
        ("the database refuses the data", Some("SQLSTATE 22P05"), 1),
        ("the database refused the statement (23505)", None, 2),
    ];
    assert_eq!(failures.collect::<Vec<_>>(), expected);
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (1, 1));
    let recorded = "select count(*) from fleet.dead_letters";
    assert_eq!(scene.count(recorded).await, 2);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_pool_is_backpressure_and_no_outage() {
    let mut scene = Scene::new().await;
    let options = PostgresOptions {
        pool_size: 2,
        wait_max: Duration::from_millis(50),
        ..PostgresOptions::default()
    };
    scene.store = PostgresStore::connect(scene.database.url(), options).unwrap();
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Dawdle, 40)).await;
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (40, 40));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    let contended = "select count(*) from fleet.attempts where reason = 'contention'";
    assert!(scene.count(contended).await > 0, "the pool was busy");
    let unavailable = "select count(*) from fleet.attempts where reason like '%unavailable'";
    assert_eq!(scene.count(unavailable).await, 0);
    assert!(scene.health.ready().checks["database"].ok);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_runtime_that_are_gone_for_a_while_charge_nobody() {
    let scene = Scene::new().await;
    let client = connect(scene.database.url()).await;
    let hide = "alter table fleet.inbox rename to hidden";
    client.batch_execute(hide).await.unwrap();
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 20)).await;
    until("messages were released", || async {
        (play.progress.snapshot().settled >= 10).then_some(())
    })
    .await;
    let show = "alter table fleet.hidden rename to inbox";
    client.batch_execute(show).await.unwrap();
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (20, 20));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_commits_together_and_one_that_breaks_it_dies_alone() {
    let mut scene = Scene::new().await;
    scene.limits.concurrency = 100;
    scene.limits.attempts_max = 1;
    let play = scene.start(Consumer::new("jobs").batch_handler(KeepAll), None);
    let jobs = (0..300).map(|n| match n {
        77 => (n.to_string(), Job::Violate),
        _ => (n.to_string(), Job::Keep),
    });
    scene.send(jobs).await;
    scene.send(numbered(&Job::Keep, 50)).await;
    let dead = scene.dead_letters(1).await;
    assert_eq!(dead[0].1.key.id, "77");
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (299, 299));
    let inbox = "select count(*) from fleet.inbox";
    assert_eq!(scene.count(inbox).await, 299);
    scene.end(play).await;
}

/// One thread runs the handlers, and a handler blocks it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn while_a_handler_blocks_every_thread_heartbeats_and_liveness_go_on() {
    let mut scene = Scene::with_visibility(Duration::from_secs(4)).await;
    // The metrics are the process's: by this name they tell only of this test.
    scene.limits.queue = "blocked".to_owned();
    let recorder = fleet::service::metrics::install("0", "test").unwrap();
    let admin = AdminServer::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = admin.addr();
    scene
        .aside
        .spawn(admin.serve(scene.health.clone(), recorder, scene.aside.stopping()));
    let ((begun, has_begun), (release, released)) = (mpsc::channel(), mpsc::channel());
    let keeper = Keeper {
        blocking: Some((begun, Mutex::new(released))),
    };
    let play = scene.start(Consumer::new("jobs").handler(keeper), None);
    scene.send([("0".to_owned(), Job::Block)]).await;
    // This thread and the runtime's are blocked; only the one aside is not.
    let watched = std::thread::spawn(move || {
        has_begun.recv_timeout(PATIENCE).unwrap();
        let begun = Instant::now();
        let mut beats = 0;
        while begun.elapsed() < Duration::from_secs(9) {
            let live = get(addr, "/livez");
            assert!(live.starts_with("HTTP/1.1 200"), "{live}");
            let metrics = get(addr, "/metrics");
            beats = beats_of(&metrics);
            assert!(
                metrics.contains("fleet_leases_lost_total{queue=\"blocked\"} 0"),
                "{metrics}"
            );
        }
        release.send(()).unwrap();
        beats
    });
    let beats = watched.join().unwrap();
    assert!(beats >= 3, "{beats} heartbeats in nine seconds");
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (1, 1));
    assert_eq!(
        play.progress.snapshot().received,
        1,
        "nobody else ever saw it"
    );
    scene.end(play).await;
}

fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn beats_of(metrics: &str) -> u64 {
    let name = "fleet_lease_extensions_total{queue=\"blocked\",result=\"extended\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_at_run_time_shows_in_readiness_and_ends_nothing() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    scene.health.set_started();
    scene.send(numbered(&Job::Keep, 5)).await;
    scene.until_empty().await;
    let delete = DeleteQueue {
        queue_url: scene.queue.url().to_owned(),
    };
    scene.sqs.call(delete).await.unwrap();
    let check = until("the check is red", || async {
        let mut ready = scene.health.ready();
        let check = ready.checks.remove("queue jobs")?;
        (!check.ok).then_some(check)
    })
    .await;
    let error = check.error.unwrap();
    assert!(error.contains("the queue does not exist"), "{error}");
    assert!(scene.health.live().ok && !play.running.is_finished());
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_its_long_poll_and_leaves_nothing_in_flight() {
    let mut scene = Scene::new().await;
    scene.limits.receive_wait = Duration::from_secs(3);
    let play = scene.start(jobs(), None);
    let url = scene.queue.url().to_owned();
    until("a long poll is under way", || async {
        (scene.sqs.waiting_receives(&url).ok()? > 0).then_some(())
    })
    .await;
    scene.shutdown.request();
    scene.send(numbered(&Job::Keep, 7)).await;
    until("everything is visible", || async {
        let counts = scene.counts().await;
        (play.running.is_finished() && counts.visible == 7).then_some(())
    })
    .await;
    assert_eq!(scene.counts().await.in_flight, 0);
    assert_eq!(scene.effects().await, (0, 0));
    scene.end(play).await;
}
