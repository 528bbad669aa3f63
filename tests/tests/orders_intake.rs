//! The door of the reference domains, against a real Postgres.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::collections::BTreeMap;

use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, StoreErrorClass, Subscription,
    migrate,
};
use fleet::testing::database::TestDatabase;
use fleet_cli::Placement;
use fleet_workers::billing::Bill;
use fleet_workers::orders::{self, Order};
use serde_json::{Value, json};

const SAMPLE: &str = include_str!("../../examples/orders/sample.jsonl");
const EXPECTED: &str = include_str!("../../examples/orders/expected.json");

/// A migrated database of the test's own, in which billing subscribes to orders.
async fn database() -> TestDatabase {
    let subscribe = |event_type: &str| Subscription {
        event_type: event_type.to_owned(),
        consumer: "billing".to_owned(),
    };
    TestDatabase::migrated("orders", move |url| async move {
        let sets = [Migrations::RUNTIME, fleet_workers::migrations()];
        let subscriptions = ["order.placed", "order.cancelled"].map(subscribe);
        migrate(&url, &MigrateOptions::default(), &sets, &subscriptions)
            .await
            .map(drop)
    })
    .await
    .unwrap()
}

/// A store of the test; it closes it before its database goes.
fn store(database: &TestDatabase) -> PostgresStore {
    PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap()
}

async fn count(store: &PostgresStore, table: &str) -> i64 {
    store
        .query(&format!("select count(*) from {table}"), &[])
        .await
        .unwrap()[0]
        .get(0)
}

/// Places the lines in chunks and returns every answer.
async fn place_in_chunks(store: &PostgresStore, lines: &[&str], size: usize) -> Vec<Placement> {
    let mut placements = Vec::new();
    for chunk in lines.chunks(size) {
        placements.extend(orders::place(store, chunk).await.unwrap());
    }
    placements
}

/// Sorts answers into the columns of the sample's expectations.
fn summary(placements: &[Placement]) -> Value {
    let count = |wanted: &Placement| placements.iter().filter(|found| *found == wanted).count();
    let refused: Vec<Value> = placements
        .iter()
        .zip(1..)
        .filter_map(|(placement, line)| match placement {
            Placement::Refused { reason, .. } => {
                let stable = reason.split([':', '(']).next().unwrap_or_default().trim();
                Some(json!({ "line": line, "reason": stable }))
            }
            _ => None,
        })
        .collect();
    json!({
        "read": placements.len(),
        "placed": count(&Placement::Placed),
        "refused": refused,
        "duplicates": count(&Placement::Duplicate),
    })
}

fn expected() -> Value {
    serde_json::from_str(EXPECTED).unwrap()
}

fn order(id: &str, quantity: i64) -> String {
    json!({
        "order_id": id, "customer_id": "7", "currency": "GBP",
        "placed_at": "2010-12-01T08:26:00Z", "country": "France", "cancelled": false,
        "lines": [{ "sku": "A", "description": "B", "quantity": quantity, "unit_price_minor": 1 }],
    })
    .to_string()
}

fn refused(field: &str, reason: &str) -> Placement {
    Placement::Refused {
        field: field.to_owned(),
        reason: reason.to_owned(),
    }
}

#[tokio::test]
async fn the_sample_gets_in_to_the_last_line() {
    let expected = expected();
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for size in [1_000, 50] {
        let database = database().await;
        let store = store(&database);
        let placements = place_in_chunks(&store, &lines, size).await;
        let summary = summary(&placements);
        for column in ["read", "placed", "refused", "duplicates"] {
            assert_eq!(
                summary[column], expected[column],
                "{column}, in chunks of {size}"
            );
        }
        assert_eq!(
            json!(count(&store, "orders.orders").await),
            expected["placed"]
        );
        assert_eq!(
            json!(count(&store, "fleet.outbox").await),
            expected["placed"]
        );
        assert_eq!(&judged(&store).await, &expected);
        store.close().await;
    }
}

/// Judges what the outbox holds, as billing will.
async fn judged(store: &PostgresStore) -> Value {
    let mut documents = [
        ("order.placed", BTreeMap::new()),
        ("order.cancelled", BTreeMap::new()),
    ];
    let mut dead = BTreeMap::<String, u64>::new();
    for row in store
        .query("select event_type, data from fleet.outbox", &[])
        .await
        .unwrap()
    {
        let order: Order = serde_json::from_str(row.get("data")).unwrap();
        match Bill::of(&order) {
            Ok(bill) => {
                let event_type: &str = row.get("event_type");
                let sums = documents
                    .iter_mut()
                    .find(|(name, _)| *name == event_type)
                    .unwrap();
                let sum: &mut (u64, i64) = sums
                    .1
                    .entry(bill.total.currency.code().to_owned())
                    .or_default();
                *sum = (sum.0 + 1, sum.1 + bill.total.minor);
            }
            Err(refusal) => *dead.entry(refusal.to_string()).or_default() += 1,
        }
    }
    let [invoices, credit_notes] = documents.map(|(_, sums)| {
        let entry =
            |(code, (count, total))| (code, json!({ "count": count, "total_minor": total }));
        sums.into_iter()
            .map(entry)
            .collect::<serde_json::Map<_, _>>()
    });
    let mut judged = expected();
    judged["invoices"] = invoices.into();
    judged["credit_notes"] = credit_notes.into();
    judged["dead_lettered"] = json!(dead);
    judged
}

#[tokio::test]
async fn the_same_file_again_changes_nothing() {
    let database = database().await;
    let store = store(&database);
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let first = summary(&place_in_chunks(&store, &lines, 100).await);
    let again = summary(&place_in_chunks(&store, &lines, 70).await);
    assert_eq!(again["placed"], 0);
    assert_eq!(again["refused"], first["refused"]);
    assert_eq!(
        again["duplicates"],
        json!(lines.len() - first["refused"].as_array().unwrap().len())
    );
    assert_eq!(json!(count(&store, "fleet.outbox").await), first["placed"]);
    store.close().await;
}

#[tokio::test]
async fn two_processes_with_the_same_file_place_each_order_once() {
    let database = database().await;
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let backwards: Vec<&str> = lines.iter().copied().rev().collect();
    let (one, two, three) = (store(&database), store(&database), store(&database));
    let (one_placed, two_placed, three_placed) = tokio::join!(
        place_in_chunks(&one, &lines, 40),
        place_in_chunks(&two, &lines, 90),
        place_in_chunks(&three, &backwards, 60),
    );
    let placed = |placements| summary(placements)["placed"].as_i64().unwrap();
    let total = placed(&one_placed) + placed(&two_placed) + placed(&three_placed);
    assert_eq!(json!(total), expected()["placed"]);
    assert_eq!(count(&one, "orders.orders").await, total);
    assert_eq!(count(&one, "fleet.outbox").await, total);
    for store in [one, two, three] {
        store.close().await;
    }
}

#[tokio::test]
async fn an_order_id_belongs_to_the_content_that_came_first() {
    let database = database().await;
    let store = store(&database);
    let reused = refused("order_id", "same order_id, other content");
    let lines = [order("1", 1), order("1", 1), order("1", 2), order("2", 5)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        orders::place(&store, &lines).await.unwrap(),
        [
            Placement::Placed,
            Placement::Duplicate,
            reused.clone(),
            Placement::Placed
        ],
    );
    let later = [order("1", 2), order("2", 5), order("2", 6), "{".to_owned()];
    let later: Vec<&str> = later.iter().map(String::as_str).collect();
    assert_eq!(
        orders::place(&store, &later).await.unwrap(),
        [
            reused.clone(),
            Placement::Duplicate,
            reused,
            refused("", "not JSON (column 1)"),
        ],
    );
    assert_eq!(orders::place(&store, &[]).await.unwrap(), []);
    assert_eq!(count(&store, "fleet.outbox").await, 2);
    store.close().await;
}

#[tokio::test]
async fn an_order_that_the_database_refuses_harms_no_other() {
    let database = database().await;
    let store = store(&database);
    // Stands for a limit of Postgres that the schema does not foresee.
    let trap = [
        "create function trap() returns trigger language plpgsql as $$ begin
            if new.order_id = 'bad' then raise sqlstate '22023'; end if; return new;
        end $$",
        "create trigger trap before insert on orders.orders for each row execute function trap()",
    ];
    for sql in trap {
        store.query(sql, &[]).await.unwrap();
    }
    let lines = [
        order("1", 1),
        order("bad", 1),
        order("2", 1),
        order("bad", 1),
        order("1", 1),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let unstorable = refused("", "the database refuses the data");
    assert_eq!(
        orders::place(&store, &lines).await.unwrap(),
        [
            Placement::Placed,
            unstorable.clone(),
            Placement::Placed,
            unstorable,
            Placement::Duplicate,
        ],
    );
    assert_eq!(count(&store, "orders.orders").await, 2);
    assert_eq!(count(&store, "fleet.outbox").await, 2);
    store.close().await;
}

#[tokio::test]
async fn an_order_and_its_event_are_there_together_or_not_at_all() {
    let database = database().await;
    let store = store(&database);
    store
        .query("alter table fleet.outbox rename to elsewhere", &[])
        .await
        .unwrap();
    let error = orders::place(&store, &[&order("1", 1)]).await.unwrap_err();
    assert_eq!(error.class, StoreErrorClass::Statement);
    assert_eq!(count(&store, "orders.orders").await, 0);
    store.close().await;
}

#[tokio::test]
async fn the_longest_and_largest_that_the_schema_allows_is_stored_exactly() {
    let database = database().await;
    let store = store(&database);
    let id = "\u{10FFFF}".repeat(orders::ORDER_ID_CHARS_MAX);
    for (placed_at, id) in [
        ("0000-01-01T00:00:00Z", id.as_str()),
        ("9999-12-30T22:00:00Z", "2"),
    ] {
        let mut order: Value = serde_json::from_str(&order(id, i64::MIN)).unwrap();
        order["placed_at"] = json!(placed_at);
        order["country"] = json!("a\u{FFFF}\"\\\u{1}\u{85}é");
        order["lines"][0]["description"] = json!("x".repeat(1_000_000));
        let line = order.to_string();
        assert_eq!(
            orders::place(&store, &[&line]).await.unwrap(),
            [Placement::Placed]
        );
        assert_eq!(
            orders::place(&store, &[&line]).await.unwrap(),
            [Placement::Duplicate]
        );
        let sql = "select content::text as content from orders.orders where order_id = $1";
        let rows = store.query(sql, &[&id]).await.unwrap();
        let stored: Order = serde_json::from_str(rows[0].get("content")).unwrap();
        assert_eq!(stored, serde_json::from_str::<Order>(&line).unwrap());
    }
    store.close().await;
}
