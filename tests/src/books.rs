//! What the reference domains have written: the sums that have to be exact.

use std::collections::BTreeMap;

use fleet::store::{
    MigrateOptions, Migrations, PostgresOptions, PostgresStore, Subscription, migrate,
};
use fleet::testing::database::{DatabaseError, TestDatabase};
use fleet_cli::Placement;
use serde_json::{Value, json};

use crate::patience::until;

/// A database of the test's own, seen from outside the programs.
#[derive(Debug)]
pub struct Books {
    store: PostgresStore,
    database: TestDatabase,
}

impl Books {
    /// Makes a database with every migration applied.
    pub async fn migrated() -> Self {
        let database = TestDatabase::migrated("programs", |url| async move {
            bring_up_to_date(&url).await.map(drop)
        })
        .await
        .expect("a test database can be made");
        Self::of(database)
    }

    /// Makes a database with every migration applied, on a server of the test's own.
    pub async fn migrated_on(server_url: &str) -> Self {
        let database = TestDatabase::create(server_url, "template1")
            .await
            .expect("a test database can be made");
        let migrated = bring_up_to_date(database.url()).await;
        migrated.expect("the migrations fit an empty database");
        Self::of(database)
    }

    /// Makes a database with nothing in it.
    pub async fn empty() -> Self {
        let database: Result<_, DatabaseError> = TestDatabase::empty().await;
        Self::of(database.expect("a test database can be made"))
    }

    /// Looks into a database that is there.
    pub fn of(database: TestDatabase) -> Self {
        let options = PostgresOptions {
            pool_size: 2,
            ..PostgresOptions::default()
        };
        let store = PostgresStore::connect(database.url(), options)
            .expect("a test database has a legal address");
        Self { store, database }
    }

    /// Returns its address, password included.
    pub fn url(&self) -> &str {
        self.database.url()
    }

    /// Runs one statement and returns its rows as JSON objects.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        let query = format!("select to_jsonb(r)::text from ({query}) r");
        let rows = self.store.query(&query, &[]).await.expect("the query runs");
        let texts = rows.iter().map(|row| row.get::<_, String>(0));
        texts
            .map(|text| serde_json::from_str(&text).expect("Postgres writes JSON"))
            .collect()
    }

    /// Runs a statement that changes something, or a function that does.
    pub async fn run(&self, statement: &str) {
        self.store
            .query(statement, &[])
            .await
            .expect("the statement runs");
    }

    /// Counts the rows of a table, or of a table and a condition.
    pub async fn count(&self, from: &str) -> u64 {
        let rows = self
            .rows(&format!("select count(*) as n from {from}"))
            .await;
        rows[0]["n"].as_u64().expect("a count is a number")
    }

    /// Waits until a table, or a table and a condition, has so many rows.
    pub async fn until_count(&self, from: &str, count: u64) {
        until(&format!("{from} has {count} rows"), || async {
            (self.count(from).await == count).then_some(())
        })
        .await;
    }

    /// Places orders at the door of the reference domain, a JSON line each.
    pub async fn place(&self, lines: &[String]) {
        for chunk in lines.chunks(500) {
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            let placed = fleet_workers::orders::place(&self.store, &chunk).await;
            let placed = placed.expect("the database answers");
            assert!(placed.iter().all(|line| *line == Placement::Placed));
        }
    }

    /// Adds invoices or credit notes up: count and sum by currency.
    pub async fn sums(&self, kind: &str) -> Value {
        let query = format!(
            "select currency, count(*) as count, sum(total_minor) as total_minor
             from billing.{kind} group by currency order by currency"
        );
        let rows = self.rows(&query).await;
        let by_currency = rows.into_iter().map(|row| {
            let currency = row["currency"].as_str().expect("it is text").to_owned();
            let sums = json!({ "count": row["count"], "total_minor": row["total_minor"] });
            (currency, sums)
        });
        Value::Object(by_currency.collect())
    }

    /// Counts dead events by reason.
    pub async fn dead(&self) -> BTreeMap<String, u64> {
        let query = "select reason, count(distinct (source, event_id)) as n
                     from fleet.dead_letters group by reason";
        let rows = self.rows(query).await;
        rows.iter()
            .map(|row| {
                let reason = row["reason"].as_str().expect("it is text").to_owned();
                (reason, row["n"].as_u64().expect("a count is a number"))
            })
            .collect()
    }
}

/// Applies what `fleet migrate` applies.
async fn bring_up_to_date(url: &str) -> Result<Vec<String>, fleet::store::MigrateError> {
    let subscribe = |event_type: &str| Subscription {
        event_type: event_type.to_owned(),
        consumer: "billing".to_owned(),
    };
    let sets = [Migrations::RUNTIME, fleet_workers::migrations()];
    let subscriptions = ["order.placed", "order.cancelled"].map(subscribe);
    let steps = migrate(url, &MigrateOptions::default(), &sets, &subscriptions).await?;
    Ok(steps.iter().map(ToString::to_string).collect())
}

/// Writes an order of one line: `quantity` pieces at 1.00 each.
pub fn order(id: &str, quantity: u64) -> Value {
    json!({
        "order_id": id, "customer_id": "17850", "currency": "GBP",
        "placed_at": "2010-12-01T08:26:00Z", "country": "United Kingdom", "cancelled": false,
        "lines": [{
            "sku": "85123A", "description": "HOLDER", "quantity": quantity, "unit_price_minor": 100,
        }],
    })
}

/// Wraps an order in the envelope that its event travels in.
pub fn placed(order: &Value) -> String {
    json!({
        "specversion": "1.0", "id": order["order_id"], "source": "/fleet/orders",
        "type": "order.placed", "time": "2010-12-01T08:26:00Z", "data": order,
    })
    .to_string()
}
