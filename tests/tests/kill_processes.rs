//! What SIGKILL costs: some seconds, and not one penny.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use fleet_tests::books::{Books, order};
use fleet_tests::form::short_or_long;
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::{PATIENCE, until, until_within};
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::{Site, fleet};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Orders of the short form and of the long one.
const ORDERS: (u64, u64) = (5_000, 20_000);

/// So many orders are one cycle of the kinds below.
const CYCLE: u64 = 50;

const INVOICES: &str = "billing.invoices";

fn order_count() -> u64 {
    short_or_long(ORDERS)
}

/// Orders of every kind: most are good, two are cancellations, two are bad.
fn orders(count: u64) -> Vec<String> {
    (0..count)
        .map(|id| {
            let mut order = order(&format!("o{id}"), id % 7 + 1);
            match id % CYCLE {
                10 => order["cancelled"] = json!(true),
                20 => order["currency"] = json!("EUR"),
                30 => order["customer_id"] = Value::Null,
                40 => order["lines"] = json!([]),
                _ => {}
            }
            order.to_string()
        })
        .collect()
}

/// Checks every sum against arithmetic that shares nothing with the fleet.
async fn assert_exact(books: &Books, count: u64) {
    let mut invoices = BTreeMap::new();
    let mut credit = (0, 0);
    for id in 0..count {
        let total = (id % 7 + 1) * 100;
        let sums: &mut (u64, u64) = match id % CYCLE {
            10 => &mut credit,
            20 => invoices.entry("EUR").or_default(),
            30 | 40 => continue,
            _ => invoices.entry("GBP").or_default(),
        };
        sums.0 += 1;
        sums.1 += total;
    }
    let written = |(count, total): (u64, u64)| json!({ "count": count, "total_minor": total });
    let invoices: BTreeMap<_, _> = invoices.into_iter().map(|(c, s)| (c, written(s))).collect();
    assert_eq!(books.sums("invoices").await, json!(invoices));
    let credit = json!({ "GBP": written(credit) });
    assert_eq!(books.sums("credit_notes").await, credit);
    let dead = BTreeMap::from([
        ("no customer".to_owned(), count / CYCLE),
        ("no lines".to_owned(), count / CYCLE),
    ]);
    assert_eq!(books.dead().await, dead);
}

/// Waits until at least so many orders are billed.
async fn until_billed(books: &Books, count: u64) {
    until(&format!("{count} are billed"), || async {
        let is_there = books.count("pg_class where relname = 'invoices'").await > 0;
        (is_there && books.count(INVOICES).await >= count).then_some(())
    })
    .await;
}

async fn kill(process: Process) {
    process.signal(Signal::Kill);
    let ended = process.ended().await;
    assert_eq!(ended.killed_by(), Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_and_relays_cost_no_penny() {
    let count = order_count();
    let site = Site::new().await.with("LOG_SUCCESS", "none");
    // What a killed process held comes back after this, and not after a minute.
    site.queue.set("VisibilityTimeout", "12").await;
    site.books.place(&orders(count)).await;

    for third in 1..3 {
        let relay = site.start(&["relay"]);
        let workers = [site.start(&["run"]), site.start(&["run"])];
        until_billed(&site.books, count * third / 3).await;
        kill(relay).await;
        for worker in workers {
            kill(worker).await;
        }
        let billed = site.books.count(INVOICES).await;
        assert!(
            billed < count * 9 / 10,
            "the kill came too late to tell anything"
        );
    }

    let (relay, _probe) = site.start_ready(&["relay"]).await;
    let worker = site.start(&["run"]);
    let done = "fleet.inbox";
    let dead = 2 * (count / CYCLE);
    until_within(3 * PATIENCE, "everything is done or dead", || async {
        let open = site.books.count("fleet.outbox where sent_at is null").await;
        let done = site.books.count(done).await;
        let is_empty = site.queue.counts().await == Counts::NONE;
        (open == 0 && done + dead >= count && is_empty).then_some(())
    })
    .await;
    assert_exact(&site.books, count).await;
    // A copy may be there twice where a kill fell between the copy and the delete.
    let copies = site.dead_letters.peek().await;
    assert!(copies.len() as u64 >= dead, "{} of {dead}", copies.len());
    for copy in &copies {
        assert!(copy.message_attributes.contains_key("fleet_failure"));
    }
    for process in [relay, worker] {
        process.signal(Signal::Terminate);
        process.ended().await.with_code(0);
    }
    assert_exact(&site.books, count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dev_is_completed_by_the_next_one() {
    let count = order_count() / 2;
    let books = Books::empty().await;
    let folder = TempDir::new().expect("it can be made");
    let path = folder.path().join("orders.jsonl");
    std::fs::write(&path, orders(count).join("\n")).expect("it can be written");
    let path = path.display().to_string();
    let start = || {
        let mut command = fleet(&["dev", "--orders", &path, "--drain", "--json"]);
        command.env("DATABASE_URL", books.url());
        Process::start(command)
    };

    let first = start();
    until_billed(&books, count / 3).await;
    kill(first).await;
    let billed = books.count(INVOICES).await;
    assert!(
        billed < count * 9 / 10,
        "the kill came too late to tell anything"
    );

    let summary = start().ended().await.with_code(0).json();
    assert_eq!(summary["read"], count);
    assert_eq!(summary["refused"], 0);
    let number = |key: &str| summary[key].as_u64().expect("a number");
    assert_eq!(number("placed") + number("duplicates"), count);
    assert_exact(&books, count).await;

    let again = start().ended().await.with_code(0).json();
    assert_eq!(again["placed"], 0);
    assert_eq!(again["duplicates"], count);
    assert_eq!(again["results"], summary["results"]);
    assert_eq!(again["dead_lettered"], summary["dead_lettered"]);
    assert_exact(&books, count).await;
}
