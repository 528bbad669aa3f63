//! How fast the store and the relay are, apart from SQS.
//!
//! `cargo test --profile quick -p sqs-fleet --features testing --test store_suite \
//!      -- --ignored --nocapture --test-threads 1 bench`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet::message::EventKey;
use fleet::queue::Queue;
use fleet::relay::Relay;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::store::{Claim, Outbox, PostgresStore, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{FakeQueue, connect, database};

const ROWS: usize = 200_000;

async fn fill(store: &PostgresStore, ordering_key: &str) {
    let sql = format!(
        "insert into fleet.outbox
            (destination, source, event_id, event_type, time, data, ordering_key)
        select 'one', '/bench', n::text, 'only.one', now(), '{{\"n\":\"' || repeat('x', 180) || '\"}}',
            {ordering_key}
        from generate_series(1, {ROWS}) n"
    );
    store.query(&sql, &[]).await.unwrap();
}

async fn publish(name: &str, ordering_key: &str, relays: usize, latency: Duration) {
    let database = database().await;
    let store = connect(&database);
    fill(&store, ordering_key).await;
    let queue = FakeQueue::with_latency("one", latency);
    let outbox: Arc<dyn Outbox> = Arc::new(store);
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let started = Instant::now();
    for seed in 0..relays as u64 {
        let queue: Arc<dyn Queue> = queue.clone();
        let destinations = BTreeMap::from([("one".to_owned(), queue)]);
        let relay = Relay::new(Arc::clone(&outbox), destinations, Jitter::seeded(seed));
        let stop = stop.clone();
        running.spawn(async move { relay.run(&Health::new(), stop).await });
    }
    queue.messages(ROWS).await;
    stop.cancel();
    while running.join_next().await.is_some() {}
    let took = started.elapsed();
    println!("{name}: {:.0} rows/s", ROWS as f64 / took.as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark"]
async fn rows_a_second_of_the_relay() {
    let ms = Duration::from_millis;
    publish("1 relay, no latency", "null", 1, ms(0)).await;
    publish("1 relay, 10 ms", "null", 1, ms(10)).await;
    publish("4 relays, 10 ms", "null", 4, ms(10)).await;
    publish(
        "1 relay, every row has a key of its own",
        "n::text",
        1,
        ms(0),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark"]
async fn claims_a_second_of_the_inbox() {
    let database = database().await;
    let store = connect(&database);
    for (name, batch, rounds) in [("one by one", 1, 20_000), ("in hundreds", 100, 1_000)] {
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for worker in 0..8 {
            let store = store.clone();
            workers.spawn(async move {
                for round in 0..rounds / 8 {
                    let keys: Vec<_> = (0..batch)
                        .map(|n| EventKey::new(name, format!("{worker}-{round}-{n}")))
                        .collect();
                    let transaction = match &*keys {
                        [key] => match store.claim("bench", key).await.unwrap() {
                            Claim::New(transaction) => transaction,
                            Claim::Duplicate => panic!("{key} is new"),
                        },
                        keys => store.claim_all("bench", keys).await.unwrap().0,
                    };
                    transaction.commit().await.unwrap();
                }
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended.unwrap();
        }
        let claims = f64::from(rounds * batch) / started.elapsed().as_secs_f64();
        println!("claims {name}: {claims:.0} a second");
    }
}
