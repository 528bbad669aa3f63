//! From the outbox to invoices and credit notes: relay, SQS in memory, worker, a real Postgres.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fleet::consume::{Limits, Parts, Quarantine, Queues, Valve, Worker};
use fleet::queue::Queue;
use fleet::relay::Relay;
use fleet::service::aside::Aside;
use fleet::service::config::LogSuccess;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::service::shutdown::Shutdown;
use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, Subscription, migrate,
};
use fleet::testing::database::TestDatabase;
use fleet::testing::queue::LocalQueue;
use fleet_cli::{Intake, Tally};
use fleet_workers::OrderIntake;
use fleet_workers::billing;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

const SAMPLE: &str = include_str!("../../examples/orders/sample.jsonl");
const EXPECTED: &str = include_str!("../../examples/orders/expected.json");

/// How long the sample may take; it takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look whether everything is settled.
const LOOK: Duration = Duration::from_millis(50);

/// Everything between the door and the documents, except what dies with a process.
struct Stage {
    store: PostgresStore,
    queue: LocalQueue,
    dead_letters: LocalQueue,
    _database: TestDatabase,
}

impl Stage {
    async fn new() -> Self {
        let consumer = billing::consumer();
        let subscriptions: Vec<_> = consumer
            .event_types()
            .into_iter()
            .map(|event_type| Subscription {
                event_type: event_type.to_owned(),
                consumer: consumer.name().to_owned(),
            })
            .collect();
        let database = TestDatabase::migrated("billing", |url| async move {
            let sets = [Migrations::RUNTIME, fleet_workers::migrations()];
            migrate(&url, &MigrateOptions::default(), &sets, &subscriptions)
                .await
                .map(drop)
        })
        .await
        .unwrap();
        let store = PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap();
        let sqs = sqs_local::Sqs::new(sqs_local::Settings::default());
        let (queue, dead_letters) = LocalQueue::pair(&sqs, "billing").await;
        Self {
            store,
            queue,
            dead_letters,
            _database: database,
        }
    }

    async fn place(&self, lines: &[&str]) {
        OrderIntake.place(&self.store, lines).await.unwrap();
    }

    /// Relays and works until `settled` events are done or dead, then stops in good order.
    async fn settle(&self, settled: i64) {
        let queue: Arc<dyn Queue> = Arc::new(self.queue.clone());
        let health = Health::new();
        let aside = Aside::start("aside").unwrap();
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let destinations = BTreeMap::from([("billing".to_owned(), Arc::clone(&queue))]);
        let relay = Relay::new(
            Arc::new(self.store.clone()),
            destinations,
            Jitter::seeded(1),
        );
        let worker = Worker::new(
            billing::consumer(),
            Parts {
                queues: Queues {
                    receive: Arc::clone(&queue),
                    settle: Arc::clone(&queue),
                    lease: queue,
                    dead_letters: Arc::new(self.dead_letters.clone()),
                },
                store: Arc::new(self.store.clone()),
                limits: limits(),
                health: health.clone(),
                jitter: Jitter::seeded(2),
                valve: Valve::default(),
                quarantine: Quarantine::default(),
            },
        );
        let stop = async {
            timeout(PATIENCE, self.settled(settled)).await.unwrap();
            shutdown.request();
        };
        tokio::join!(
            relay.run(&health, shutdown.stop_receiving.clone()),
            worker.run(aside.handle(), &shutdown),
            stop,
        );
        assert!(aside.stop(Duration::from_secs(5)).await);
    }

    /// Waits until that many events are done or dead and nothing is on its way.
    async fn settled(&self, expected: i64) {
        let sql = "select
                (select count(*) from fleet.inbox) + (select count(*) from fleet.dead_letters),
                (select count(*) from fleet.outbox where sent_at is null)";
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let rows = self.store.query(sql, &[]).await.unwrap();
            let (settled, unsent): (i64, i64) = (rows[0].get(0), rows[0].get(1));
            let queue = self.queue.attributes().await.unwrap();
            if settled >= expected && unsent == 0 && queue.visible + queue.in_flight == 0 {
                return;
            }
        }
    }

    /// Enqueues as a writer in any language does.
    async fn enqueue(&self, event_type: &str, id: &str, data: &Value) {
        let sql = "select fleet.enqueue($1, $2::text::jsonb, $3)";
        self.store
            .query(sql, &[&event_type, &data.to_string(), &id])
            .await
            .unwrap();
    }

    /// Counts dead letters by class, reason and detail.
    async fn dead(&self) -> Vec<(String, i64)> {
        let sql = "select class || ': ' || reason || coalesce(', ' || detail, '') as what,
                count(*) as count
            from fleet.dead_letters group by 1 order by 1";
        let rows = self.store.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| (row.get("what"), row.get("count")))
            .collect()
    }

    async fn results(&self) -> Vec<Tally> {
        OrderIntake.results(&self.store).await.unwrap()
    }
}

fn limits() -> Limits {
    Limits {
        consumer: billing::CONSUMER,
        queue: "billing".to_owned(),
        version: "1.0.0 (test)".to_owned(),
        concurrency: 16,
        handler_timeout: Duration::from_secs(30),
        attempts_max: 5,
        receive_wait: Duration::from_secs(1),
        visibility: Duration::from_secs(60),
        unknown_type_grace: Duration::from_secs(3600),
        rate_limit: None,
        bytes_max: Limits::BYTES_MAX,
        group_policy: None,
        log_success: LogSuccess::None,
    }
}

/// The sample's expectations in the form of the tallies.
fn expected_tallies(expected: &Value) -> Vec<Value> {
    let of = |kind: &str, column: &str| -> Vec<Value> {
        let sums = expected[column].as_object().unwrap();
        let tally = |(currency, sum): (&String, &Value)| {
            json!({
                "kind": kind, "currency": currency,
                "count": sum["count"], "total_minor": sum["total_minor"],
            })
        };
        sums.iter().map(tally).collect()
    };
    [
        of("invoices", "invoices"),
        of("credit_notes", "credit_notes"),
    ]
    .concat()
}

#[tokio::test]
async fn the_sample_becomes_documents_to_the_penny_and_again_changes_nothing() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let placed = expected["placed"].as_i64().unwrap();
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let stage = Stage::new().await;
    stage.place(&lines).await;
    stage.settle(placed).await;
    let results = stage.results().await;
    let tallies: Vec<Value> = results.iter().map(|tally| json!(tally)).collect();
    assert_eq!(tallies, expected_tallies(&expected));

    let mut reasons = BTreeMap::<String, i64>::new();
    for (what, count) in stage.dead().await {
        let reason = what.strip_prefix("permanent: ").unwrap();
        let reason = reason.split(',').next().unwrap();
        *reasons.entry(reason.to_owned()).or_default() += count;
    }
    assert_eq!(json!(reasons), expected["dead_lettered"]);

    stage.place(&lines).await;
    // Every message once more, as after a crash that lost the marks of the relay.
    stage
        .store
        .query("update fleet.outbox set sent_at = null", &[])
        .await
        .unwrap();
    let dead: i64 = reasons.values().sum();
    stage.settle(placed + dead).await;
    assert_eq!(stage.results().await, results);
    stage.store.close().await;
}

#[tokio::test]
async fn what_no_door_has_checked_is_refused_with_a_reason() {
    let order = |id: &str, cancelled: bool| {
        json!({
            "order_id": id, "customer_id": "7", "currency": "GBP",
            "placed_at": "2010-12-01T08:26:00Z", "country": "France", "cancelled": cancelled,
            "lines": [{ "sku": "A", "description": "B", "quantity": 2, "unit_price_minor": 3 }],
        })
    };
    let (placed, cancelled) = (order("1", false), order("C1", true));
    let mut nameless = order("", false);
    nameless["order_id"] = json!("");
    let mut wrong = order("3", false);
    wrong["lines"][0]["quantity"] = json!("jane@example.com");

    let stage = Stage::new().await;
    stage.enqueue("order.placed", "a", &placed).await;
    stage.enqueue("order.cancelled", "b", &cancelled).await;
    stage.settle(2).await;
    for (event_type, data) in [
        ("order.placed", &placed),
        ("order.cancelled", &cancelled),
        ("order.placed", &cancelled),
        ("order.cancelled", &placed),
        ("order.placed", &nameless),
        ("order.placed", &wrong),
        ("order.placed", &json!([])),
    ] {
        let id = format!("{event_type}, {data}");
        stage.enqueue(event_type, &id, data).await;
    }
    stage.settle(9).await;

    let schema = "undecodable: data does not fit the schema at";
    let whats = [
        "permanent: already credited".to_owned(),
        "permanent: already invoiced".to_owned(),
        format!("{schema} `.`: cancelled is false in an event of type order.cancelled"),
        format!("{schema} `.`: cancelled is true in an event of type order.placed"),
        format!("{schema} `.`: invalid type: sequence, expected an object"),
        format!("{schema} `lines[0].quantity`: invalid type: string, expected i64"),
        format!("{schema} `order_id`: invalid value: empty string, expected 1 to 128 characters"),
    ];
    assert_eq!(stage.dead().await, whats.map(|what| (what, 1)));
    let results = stage.results().await;
    let sums: Vec<_> = results
        .iter()
        .map(|tally| (tally.kind, tally.total_minor))
        .collect();
    assert_eq!(sums, [("invoices", 6), ("credit_notes", 6)]);
    stage.store.close().await;
}
