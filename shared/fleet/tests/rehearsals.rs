//! Rehearsals of dead messages, on Postgres: what they say, and that nothing stays of them.
#![cfg(feature = "testing")]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap, because its panic is its report"
)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fleet::consume::{Outcome, Rehearsal, RehearsalError};
use fleet::dead_letter::{Death, Origin};
use fleet::message::{Attributes, EventKey, Failure, FailureClass, Message, MessageId, Receipt};
use fleet::store::{
    Claim, MigrateOptions, Migrations, PostgresOptions, PostgresStore, Publication, Store as _,
    Subscription, migrate,
};
use fleet::testing::database::TestDatabase;
use fleet::{
    BatchError, BatchHandler, Consumer, Context, Done, Envelope, Event, Handler, HandlerError,
    NewEvent, Tx,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a handler may take here.
const LIMIT: Duration = Duration::from_secs(10);

/// How long the handler may take that is meant to take longer.
const LIMIT_SHORT: Duration = Duration::from_millis(200);

/// What a handler is told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Act {
    Write,
    Publish,
    Nothing,
    Reject,
    Flake,
    CallMail,
    Panic,
    Hang,
    HangInStatement,
    Orphan,
    Swallow,
}

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    act: Act,
}

#[derive(Debug, Serialize, Deserialize)]
struct BatchJob {
    act: Act,
}

#[derive(Debug, Serialize, Deserialize)]
struct MailJob {}

#[derive(Debug, Serialize, Deserialize)]
struct Written {}

impl Event for Job {
    const TYPE: &'static str = "job";
}

impl Event for BatchJob {
    const TYPE: &'static str = "batch.job";
}

impl Event for MailJob {
    const TYPE: &'static str = "mail.job";
}

impl Event for Written {
    const TYPE: &'static str = "written";
}

async fn act(act: Act, id: &str, tx: &Tx<'_>) -> Result<(), HandlerError> {
    let insert = "insert into public.effects (id, parent) values ($1, $2)";
    let parent = match act {
        Act::Orphan => Some("nobody"),
        _ => None,
    };
    tx.execute(insert, &[&id, &parent]).await?;
    match act {
        Act::Publish => {
            let key = EventKey::new("/jobs", format!("written {id}"));
            let event = NewEvent::new(key, &Written {}).unwrap();
            tx.publish(&event).await?;
        }
        Act::Reject => return Err(HandlerError::permanent("no customer").with_detail("line 3")),
        Act::Flake => return Err(HandlerError::retryable("flaky")),
        Act::CallMail => return Err(HandlerError::unavailable("smtp")),
        Act::Panic => panic!("a bug of the handler"),
        Act::Hang => std::future::pending().await,
        Act::HangInStatement => drop(tx.query("select pg_sleep(60)", &[]).await?),
        Act::Swallow => assert!(tx.execute(insert, &[&id, &parent]).await.is_err()),
        Act::Write | Act::Nothing | Act::Orphan => {}
    }
    Ok(())
}

struct Single;

impl Handler for Single {
    type Event = Job;

    async fn handle(
        &self,
        event: Envelope<Job>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        assert_eq!((event.receive_count, cx.attempt()), (1, 1));
        if matches!(event.data.act, Act::Nothing) {
            return Ok(cx.nothing_to_do());
        }
        let tx = cx.begin().await?;
        act(event.data.act, &event.key.id, &tx).await?;
        Ok(tx.finish())
    }
}

struct Batch;

impl BatchHandler for Batch {
    type Event = BatchJob;

    async fn handle(
        &self,
        events: &[Envelope<BatchJob>],
        tx: &mut Tx<'_>,
    ) -> Result<(), BatchError> {
        for (index, event) in events.iter().enumerate() {
            let acted = act(event.data.act, &event.key.id, tx).await;
            acted.map_err(|error| BatchError::reject(index, error))?;
        }
        Ok(())
    }
}

/// Counts how often it has sent something that no rollback brings back.
struct Mailer(Arc<AtomicUsize>);

impl Handler for Mailer {
    type Event = MailJob;
    const OUTSIDE_EFFECT: bool = true;

    async fn handle(
        &self,
        _: Envelope<MailJob>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(cx.begin().await?.finish())
    }
}

/// A database with its consumer.
struct Theatre {
    consumer: Consumer,
    store: PostgresStore,
    mails: Arc<AtomicUsize>,
    database: TestDatabase,
}

impl Theatre {
    async fn new() -> Self {
        let database = TestDatabase::migrated("rehearsals", |url| async move {
            let subscription = Subscription {
                event_type: Written::TYPE.to_owned(),
                consumer: "archive".to_owned(),
            };
            let options = MigrateOptions::default();
            migrate(&url, &options, &[Migrations::RUNTIME], &[subscription]).await?;
            let store = PostgresStore::connect(&url, PostgresOptions::default())?;
            let create = "create table public.effects (id text primary key, parent text
                references public.effects (id) deferrable initially deferred)";
            store.query(create, &[]).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
        let database = database.await.unwrap();
        let mails = Arc::default();
        Self {
            consumer: Consumer::new("jobs")
                .handler(Single)
                .handler(Mailer(Arc::clone(&mails)))
                .batch_handler(Batch),
            store: PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap(),
            mails,
            database,
        }
    }

    fn reopened(self) -> Self {
        let options = PostgresOptions::default();
        let store = PostgresStore::connect(self.database.url(), options).unwrap();
        Self { store, ..self }
    }

    async fn rehearse(&self, event_type: &str, act: Act, died_of: &str) -> Rehearsal {
        self.rehearse_within(LIMIT, event_type, act, died_of).await
    }

    async fn rehearse_within(
        &self,
        limit: Duration,
        event_type: &str,
        act: Act,
        died_of: &str,
    ) -> Rehearsal {
        let data = serde_json::to_string(&Job { act }).unwrap();
        let (message, death) = dead(event_type, &data, died_of);
        let rehearsed = self.consumer.rehearse(message, &death, &self.store, limit);
        rehearsed.await.unwrap()
    }

    /// Claims the event that is dead, and does it or leaves it open.
    async fn claim(&self) -> Box<dyn fleet::store::Transaction> {
        match self.store.claim("jobs", &key()).await.unwrap() {
            Claim::New(transaction) => transaction,
            Claim::Duplicate => panic!("it was claimed before"),
        }
    }

    /// Counts the rows of every table that is not Postgres' own.
    async fn rows(&self) -> Vec<(String, i64)> {
        let tables = "select format('%I.%I', schemaname, tablename) from pg_tables
            where schemaname not in ('pg_catalog', 'information_schema') order by 1";
        let mut rows = Vec::new();
        for table in self.store.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let count = format!("select count(*) from {table}");
            let count = self.store.query(&count, &[]).await.unwrap()[0].get(0);
            rows.push((table, count));
        }
        rows
    }
}

fn key() -> EventKey {
    EventKey::new("/jobs", "1")
}

fn dead(event_type: &str, data: &str, reason: &str) -> (Message, Death) {
    let key = key();
    let failure = Failure {
        class: FailureClass::Permanent,
        reason: reason.to_owned(),
        detail: None,
        consumer: "jobs".to_owned(),
        queue: "jobs".to_owned(),
        event_type: Some(event_type.to_owned()),
        key: key.clone(),
        message_id: "m-0".to_owned(),
        attempts: 5,
        receives: 5,
        first_sent_at: Timestamp::UNIX_EPOCH,
        failed_at: Timestamp::UNIX_EPOCH,
        version: None,
        replay_no: 0,
        edited: None,
        history: Vec::new(),
        displaced: Vec::new(),
    };
    let message = Message {
        id: MessageId("m-1".to_owned()),
        receipt: Receipt("r".to_owned()),
        body: format!(
            r#"{{"specversion":"1.0","id":"{}","source":"{}","type":"{event_type}","data":{data}}}"#,
            key.id, key.source
        ),
        attributes: Attributes::new(),
        receive_count: 7,
        sent_at: Timestamp::UNIX_EPOCH,
        group_id: None,
        trace_header: None,
        failure: Some(Box::new(failure)),
    };
    let origin = Origin {
        consumer: Some("jobs".to_owned()),
        queue: "jobs".to_owned(),
    };
    let death = Death::of(&message, &origin);
    (message, death)
}

/// Names how it would fail, why, and whether that is what it died of.
fn failure(rehearsal: &Rehearsal) -> (&'static str, &str, bool) {
    match rehearsal {
        Rehearsal::Fails {
            outcome,
            reason,
            is_same,
            ..
        } => (outcome.as_str(), reason, *is_same),
        other => panic!("it would not fail: {other:?}"),
    }
}

#[tokio::test]
async fn what_would_get_done_passes_and_leaves_nothing_in_any_table() {
    let theatre = Theatre::new().await;
    let before = theatre.rows().await;
    for event_type in ["job", "batch.job"] {
        let passed = theatre
            .rehearse(event_type, Act::Write, "no customer")
            .await;
        let published = Vec::new();
        assert_eq!(passed, Rehearsal::Passes { published }, "{event_type}");
    }
    let passed = theatre.rehearse("job", Act::Nothing, "no customer").await;
    let published = Vec::new();
    assert_eq!(passed, Rehearsal::Passes { published });
    assert_eq!(theatre.rows().await, before);
    assert!(before.iter().any(|(table, _)| table == "fleet.outbox"));
    // Rehearsed as often as you like.
    theatre.rehearse("job", Act::Write, "no customer").await;
    assert_eq!(theatre.rows().await, before);
}

#[tokio::test]
async fn what_it_would_publish_is_told_and_not_published() {
    let theatre = Theatre::new().await;
    let before = theatre.rows().await;
    for event_type in ["job", "batch.job"] {
        let passed = theatre
            .rehearse(event_type, Act::Publish, "no customer")
            .await;
        let published = vec![Publication {
            event_type: "written".to_owned(),
            subscribers: 1,
        }];
        assert_eq!(passed, Rehearsal::Passes { published }, "{event_type}");
    }
    assert_eq!(theatre.rows().await, before);
}

#[tokio::test]
async fn what_would_fail_says_why_and_whether_that_is_what_it_died_of() {
    let theatre = Theatre::new().await;
    let before = theatre.rows().await;
    for event_type in ["job", "batch.job"] {
        for (act, died_of, expected) in [
            (
                Act::Reject,
                "no customer",
                ("rejected", "no customer", true),
            ),
            (Act::Reject, "no stock", ("rejected", "no customer", false)),
            (Act::Flake, "flaky", ("failed", "flaky", true)),
            (
                Act::CallMail,
                "flaky",
                ("unavailable", "smtp is unavailable", false),
            ),
            (
                Act::Panic,
                "handler panicked",
                ("panicked", "handler panicked", true),
            ),
        ] {
            let rehearsal = theatre.rehearse(event_type, act, died_of).await;
            assert_eq!(failure(&rehearsal), expected, "{event_type} {act:?}");
        }
    }
    let rehearsal = theatre.rehearse("job", Act::Reject, "no customer").await;
    let Rehearsal::Fails { outcome, .. } = rehearsal else {
        panic!("it would fail");
    };
    let detail = Some("line 3".to_owned());
    assert_eq!(
        outcome,
        Outcome::Rejected {
            reason: "no customer".into(),
            detail,
        }
    );
    assert_eq!(theatre.rows().await, before);
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_stopped_wherever_it_stands() {
    for event_type in ["job", "batch.job"] {
        for act in [Act::Hang, Act::HangInStatement] {
            let theatre = Theatre::new().await;
            let before = theatre.rows().await;
            let died_of = "handler timed out";
            let stopped = theatre.rehearse_within(LIMIT_SHORT, event_type, act, died_of);
            let expected = ("timed_out", "handler timed out", true);
            assert_eq!(failure(&stopped.await), expected, "{event_type} {act:?}");
            // What was cancelled in a statement is rolled back aside.
            theatre.store.close().await;
            assert_eq!(theatre.reopened().rows().await, before);
        }
    }
}

#[tokio::test]
async fn a_commit_that_would_fail_shows() {
    let theatre = Theatre::new().await;
    let before = theatre.rows().await;
    for event_type in ["job", "batch.job"] {
        for (act, state) in [(Act::Orphan, "23503"), (Act::Swallow, "23505")] {
            let rehearsal = theatre.rehearse(event_type, act, "flaky").await;
            let reason = format!("the database refused the statement (SQLSTATE {state})");
            let expected = ("failed", reason.as_str(), false);
            assert_eq!(failure(&rehearsal), expected, "{event_type} {act:?}");
        }
    }
    assert_eq!(theatre.rows().await, before);
}

#[tokio::test]
async fn what_is_done_already_is_said_to_be() {
    let theatre = Theatre::new().await;
    theatre.claim().await.commit().await.unwrap();
    let before = theatre.rows().await;
    for event_type in ["job", "batch.job"] {
        let rehearsal = theatre
            .rehearse(event_type, Act::Reject, "no customer")
            .await;
        assert_eq!(rehearsal, Rehearsal::AlreadyDone, "{event_type}");
    }
    assert_eq!(theatre.rows().await, before);
}

#[tokio::test]
async fn live_work_on_the_same_event_is_waited_for_or_named() {
    let theatre = Theatre::new().await;
    let open = theatre.claim().await;
    // A batch does not wait for whoever holds its event.
    let contended = theatre.rehearse("batch.job", Act::Write, "flaky").await;
    assert_eq!(failure(&contended), ("unavailable", "contention", false));
    let (rehearsal, ()) = tokio::join!(theatre.rehearse("job", Act::Write, "flaky"), async {
        open.commit().await.unwrap();
    });
    assert_eq!(rehearsal, Rehearsal::AlreadyDone);
}

#[tokio::test]
async fn what_no_handler_can_take_is_told_apart() {
    let theatre = Theatre::new().await;
    let rehearse = async |event_type: &str, data: &str, died_of: &str| {
        let (message, death) = dead(event_type, data, died_of);
        let rehearsed = theatre
            .consumer
            .rehearse(message, &death, &theatre.store, LIMIT);
        rehearsed.await.unwrap()
    };
    let unknown = rehearse("job.v2", "{}", "no handler for the type").await;
    assert_eq!(unknown, Rehearsal::NoHandler);
    for event_type in ["job", "batch.job"] {
        let misfit = "data does not fit the schema at `.`: missing field `act`";
        let rehearsal = rehearse(event_type, "{}", misfit).await;
        let (outcome, reason, is_same) = failure(&rehearsal);
        assert_eq!((outcome, is_same), ("undecodable", true), "{reason}");
    }
    let (mut message, death) = dead("job", "{}", "flaky");
    message.body.truncate(20);
    let rehearsed = theatre
        .consumer
        .rehearse(message, &death, &theatre.store, LIMIT);
    let rehearsal = rehearsed.await.unwrap();
    assert_eq!(failure(&rehearsal).0, "undecodable");
}

#[tokio::test]
async fn a_handler_with_effects_outside_is_refused_by_name_and_not_run() {
    let theatre = Theatre::new().await;
    let (message, death) = dead("mail.job", "{}", "flaky");
    let refused = theatre
        .consumer
        .rehearse(message, &death, &theatre.store, LIMIT);
    let refused = refused.await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "jobs handles mail.job with effects outside Postgres"
    );
    assert_eq!(theatre.mails.load(Ordering::Relaxed), 0);
    let has = |event_type| theatre.consumer.has_outside_effect(event_type);
    assert_eq!(
        (has("mail.job"), has("job"), has("batch.job"), has("none")),
        (Some(true), Some(false), Some(false), None)
    );
}

#[tokio::test]
async fn a_database_that_is_down_is_no_failure_of_a_message() {
    let theatre = Theatre::new().await;
    let store = PostgresStore::connect(
        "postgres://nobody:x@127.0.0.1:1/none",
        PostgresOptions::default(),
    )
    .unwrap();
    for event_type in ["job", "batch.job"] {
        let (message, death) = dead(event_type, r#"{"act":"Write"}"#, "flaky");
        let rehearsed = theatre.consumer.rehearse(message, &death, &store, LIMIT);
        assert_eq!(rehearsed.await, Err(RehearsalError::Database));
    }
}
