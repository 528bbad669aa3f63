use std::sync::Arc;
use std::time::Duration;

use fleet::message::{EventKey, Failure, FailureClass, MessageId, Outgoing};
use fleet::queue::Queue as _;
use fleet::service::aside::Aside;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::store::{DeadLetter, DepthMemory, GROWING, PostgresOptions, PostgresStore, Store as _};
use fleet::testing::database::TestDatabase;
use fleet::testing::queue::LocalQueue;
use fleet::upkeep::{Sounded, Upkeep};
use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqs_local::{DeleteQueue, Sqs};
use tokio::time::{interval, timeout};

use crate::support::{connect, connect_with, database};

const PATIENCE: Duration = Duration::from_secs(60);

/// Who does not measure asks every five seconds whether it may.
const TWO_TURNS: Duration = Duration::from_secs(6);

const MEASURING: &str = "fleet_measuring 1";

/// A process that measures, or would.
struct Measurer {
    upkeep: Upkeep,
    page: PrometheusHandle,
    _aside: Aside,
}

impl Measurer {
    async fn start(name: &str, database: &TestDatabase, queue: &LocalQueue) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        let aside = Aside::start("beside").unwrap();
        let store = connect_with(database, PostgresOptions::default());
        let upkeep = metrics::with_local_recorder(&recorder, || {
            let upkeep = Upkeep::start(store, aside.handle(), Health::new(), &Jitter::seeded(1));
            let sounded = Sounded {
                queue: Arc::new(queue.clone()),
                directory: Arc::new(queue.clone()),
                progress: None,
            };
            upkeep.measure(vec![sounded], name);
            upkeep
        });
        Self {
            upkeep,
            page,
            _aside: aside,
        }
    }

    fn shows(&self, line: &str) -> bool {
        self.page.render().lines().any(|shown| shown == line)
    }

    async fn until_it_shows(&self, line: &str) {
        let shown = until(async || self.shows(line));
        let waited = timeout(PATIENCE, shown).await;
        waited.unwrap_or_else(|_| panic!("never {line} in {}", self.page.render()));
    }

    fn value(&self, series: &str) -> f64 {
        let page = self.page.render();
        let mut lines = page.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(name, _)| *name == series).unwrap();
        value.parse().unwrap()
    }
}

/// Looks again and again for what nothing announces.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let mut looks = interval(Duration::from_millis(20));
    while !is_so().await {
        looks.tick().await;
    }
}

async fn queue_of(messages: u8) -> (Sqs, LocalQueue) {
    let sqs = Sqs::default();
    let (queue, _) = LocalQueue::pair(&sqs, "jobs").await;
    let message = Outgoing {
        body: "{}".to_owned(),
        ..Outgoing::default()
    };
    for _ in 0..messages {
        queue.send(std::slice::from_ref(&message)).await.unwrap();
    }
    (sqs, queue)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn dead(copy_id: &str, failed_at: Timestamp) -> DeadLetter {
    DeadLetter {
        copy_id: MessageId(copy_id.to_owned()),
        queue: "jobs-dlq".to_owned(),
        failure: Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: None,
            consumer: "jobs".to_owned(),
            queue: "jobs".to_owned(),
            event_type: Some("a.b".to_owned()),
            key: EventKey::new("/test", copy_id),
            message_id: copy_id.to_owned(),
            attempts: 1,
            receives: 2,
            first_sent_at: at(0),
            failed_at,
            replay_no: 0,
            edited: None,
            version: None,
            history: Vec::new(),
            displaced: Vec::new(),
        },
    }
}

async fn lease(store: &PostgresStore) -> Option<String> {
    let rows = store
        .query(
            "select holder from fleet.leases where name = 'depth:jobs'",
            &[],
        )
        .await
        .unwrap();
    rows.first().map(|row| row.get(0))
}

#[tokio::test]
async fn one_process_measures_and_the_next_goes_on_where_it_has_left_off() {
    let database = database().await;
    let (_sqs, queue) = queue_of(3).await;
    let store = connect(&database);
    let one = Measurer::start("one", &database, &queue).await;
    let visible = r#"fleet_queue_messages{queue="jobs",state="visible"}"#;
    let lag = r#"fleet_queue_oldest_message_age_seconds{queue="jobs"}"#;
    one.until_it_shows(&format!("{visible} 3")).await;
    one.until_it_shows(r#"fleet_dlq_retention_seconds{queue="jobs"} 345600"#)
        .await;
    assert!(one.shows(MEASURING));
    assert_eq!(lease(&store).await.as_deref(), Some("one"));
    let remembered = until(async || store.recall_depth("jobs").await.unwrap().is_some());
    timeout(PATIENCE, remembered).await.unwrap();
    let two = Measurer::start("two", &database, &queue).await;
    let two_measures = timeout(TWO_TURNS, until(async || two.shows(MEASURING))).await;
    two_measures.expect_err("one process measures");
    assert!(two.shows(&format!("{visible} NaN")));
    // As if it had looked an hour ago for the first time.
    store
        .query(
            "update fleet.depths set waiting_since = waiting_since - interval '1 hour'",
            &[],
        )
        .await
        .unwrap();
    one.upkeep.end().await;
    two.until_it_shows(&format!("{visible} 3")).await;
    assert!(two.value(lag) >= 3_600.0, "{}", two.value(lag));
    assert!(two.shows(MEASURING));
    assert_eq!(lease(&store).await.as_deref(), Some("two"));
    let lags = store.lags(PATIENCE).await.unwrap();
    assert_eq!(lags[0].0, "jobs");
    two.upkeep.end().await;
    assert_eq!(lease(&store).await, None);
}

#[tokio::test]
async fn a_queue_that_a_process_may_not_ask_is_left_to_others() {
    let database = database().await;
    let (sqs, queue) = queue_of(1).await;
    let queue_url = sqs.queue_url("jobs");
    sqs.call(DeleteQueue { queue_url }).await.unwrap();
    let store = connect(&database);
    assert!(
        store
            .take_lease("depth:jobs", "test", Duration::ZERO)
            .await
            .unwrap()
    );
    let one = Measurer::start("one", &database, &queue).await;
    // It takes the lease and gives it back.
    let given_back = until(async || lease(&store).await.is_none());
    timeout(PATIENCE, given_back).await.unwrap();
    one.until_it_shows("fleet_measuring 0").await;
    one.upkeep.end().await;
}

#[tokio::test]
async fn the_oldest_dead_letter_is_known_when_the_records_speak_of_all() {
    let database = database().await;
    let store = connect(&database);
    for (copy, failed) in [("a", 100), ("b", 200), ("c", 300)] {
        let letter = dead(copy, at(failed));
        store.record_dead_letters(&[letter]).await.unwrap();
    }
    let oldest = async |since, letters| {
        let found = store.oldest_dead_letter("jobs-dlq", at(since), letters);
        found
            .await
            .unwrap()
            .map(|found| found.as_second() - at(0).as_second())
    };
    assert_eq!(oldest(50, 3).await, Some(100));
    assert_eq!(oldest(50, 4).await, None, "one is not on record");
    assert_eq!(
        oldest(250, 2).await,
        Some(200),
        "clocks may differ by a minute"
    );
    assert_eq!(oldest(290, 2).await, None);
    store
        .query(
            "insert into fleet.replays (queue, destination, filter, who, state)
             values ('jobs-dlq', 'jobs', '{}', 'ann', 'running')",
            &[],
        )
        .await
        .unwrap();
    store
        .query(
            "insert into fleet.replay_entries
                 (replay_id, message_id, source, event_id, state, queue, deleted_at)
             select id, 'a', '/test', 'a', 'deleted', 'jobs-dlq', now() from fleet.replays",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(oldest(50, 2).await, Some(200), "the first was replayed");
    assert_eq!(oldest(50, 3).await, None);
    let other = store.oldest_dead_letter("other-dlq", at(0), 1).await;
    assert_eq!(other.unwrap(), None);
}

#[tokio::test]
async fn what_is_known_of_a_queue_is_remembered() {
    let database = database().await;
    let store = connect(&database);
    assert_eq!(store.recall_depth("jobs").await.unwrap(), None);
    let memory = DepthMemory {
        waiting_since: Some(at(1)),
        received_at: Some(at(2)),
        capacity: Some(2.5),
        dead_empty_until: Some(at(3)),
        ..DepthMemory::default()
    };
    let lag = Duration::from_secs(7);
    for memory in [&DepthMemory::default(), &memory] {
        store.remember_depth("jobs", lag, memory).await.unwrap();
        let recalled = store.recall_depth("jobs").await.unwrap();
        assert_eq!(recalled.as_ref(), Some(memory));
    }
    assert_eq!(
        store.lags(PATIENCE).await.unwrap(),
        [("jobs".to_owned(), lag)]
    );
    assert_eq!(store.lags(Duration::ZERO).await.unwrap(), []);
}

#[tokio::test]
async fn tables_are_estimated_without_being_read() {
    let database = database().await;
    let store = connect(&database);
    let names = |rows: &[(String, u64)]| {
        let mut names: Vec<_> = rows.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    };
    let mut growing = GROWING.map(str::to_owned);
    growing.sort();
    let empty = store.estimate_rows().await.unwrap();
    assert_eq!(names(&empty), growing);
    assert!(empty.iter().all(|(_, rows)| *rows == 0), "{empty:?}");
    store
        .query(
            "insert into fleet.inbox (consumer, source, id)
             select 'jobs', '/test', n::text from generate_series(1, 500) n",
            &[],
        )
        .await
        .unwrap();
    store.query("analyze fleet.inbox", &[]).await.unwrap();
    let full = store.estimate_rows().await.unwrap();
    assert!(full.contains(&("inbox".to_owned(), 500)), "{full:?}");
}
