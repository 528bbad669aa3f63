use std::sync::Arc;
use std::time::Duration;

use fleet::consume::Valve;
use fleet::service::aside::Aside;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::store::{PostgresOptions, PostgresStore, Process};
use fleet::upkeep::{Presence, Serving, Upkeep};
use jiff::Timestamp;

use crate::support::{connect, connect_with, database};

const LONG: Duration = Duration::from_secs(3_600);

fn process(id: &str) -> Process {
    Process {
        id: id.to_owned(),
        host: "pod-7".to_owned(),
        pid: 42,
        kind: "run".to_owned(),
        version: "1.2.3".to_owned(),
        build: "abcdef".to_owned(),
        started_at: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn serving(valve: &Valve) -> Vec<Serving> {
    vec![Serving {
        consumer: "billing",
        queue: "billing-queue".to_owned(),
        concurrency: 16,
        progress: Arc::default(),
        valve: valve.clone(),
    }]
}

fn is_open(valve: &Valve) -> bool {
    valve.is_open(Timestamp::now())
}

async fn pause(store: &PostgresStore) {
    store.pause("billing", "why", "who", None).await.unwrap();
}

#[tokio::test]
async fn a_process_is_seen_until_it_leaves_and_says_how_its_consumers_are_doing() {
    let database = database().await;
    let store = connect(&database);
    let valve = Valve::unknown();
    let mut presence = Presence::new(process("a"), serving(&valve), store.clone());
    assert!(store.processes(LONG).await.unwrap().is_empty());
    presence.beat().await.unwrap();
    presence.beat().await.unwrap();
    let seen = store.processes(LONG).await.unwrap();
    let [seen] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(seen.process, process("a"));
    assert!(seen.seen_ago < LONG && seen.up > LONG, "{seen:?}");
    let [billing] = &seen.consumers[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(
        (billing.name.as_str(), billing.queue.as_str()),
        ("billing", "billing-queue")
    );
    assert_eq!((billing.concurrency, billing.in_flight), (16, 0));
    assert_eq!((billing.per_second, billing.p99_ms), (0.0, None));
    assert!(billing.down.is_empty() && !billing.paused);
    presence.leave().await.unwrap();
    assert!(store.processes(LONG).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_process_that_was_not_seen_lately_is_not_told_of() {
    let database = database().await;
    let store = connect(&database);
    for id in ["a", "b"] {
        store.show_process(&process(id), &[]).await.unwrap();
    }
    let sql = "update fleet.processes set seen_at = seen_at - interval '2 hours' where id = 'a'";
    store.query(sql, &[]).await.unwrap();
    let seen = store.processes(LONG).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].process.id, "b");
}

#[tokio::test]
async fn a_beat_turns_the_valve_as_operators_say_and_shows_it() {
    let database = database().await;
    let store = connect(&database);
    let valve = Valve::unknown();
    let mut presence = Presence::new(process("a"), serving(&valve), store.clone());
    assert!(!is_open(&valve), "nothing was said yet");
    presence.beat().await.unwrap();
    assert!(is_open(&valve));
    pause(&store).await;
    presence.beat().await.unwrap();
    assert!(!is_open(&valve));
    assert!(store.processes(LONG).await.unwrap()[0].consumers[0].paused);
    store.resume("billing", "who").await.unwrap();
    presence.beat().await.unwrap();
    assert!(is_open(&valve));
}

#[tokio::test]
async fn a_database_that_is_away_changes_nothing_that_is_known() {
    let database = database().await;
    let store = connect(&database);
    pause(&store).await;
    let own = connect_with(&database, PostgresOptions::default());
    let (paused, unknown) = (Valve::unknown(), Valve::unknown());
    let mut presence = Presence::new(process("a"), serving(&paused), own.clone());
    presence.beat().await.unwrap();
    own.close().await;
    presence.beat().await.unwrap_err();
    assert!(!is_open(&paused), "the pause is kept");
    let mut other = Presence::new(process("b"), serving(&unknown), own);
    other.beat().await.unwrap_err();
    assert!(!is_open(&unknown), "nobody has said that it may receive");
}

#[tokio::test]
async fn upkeep_shows_the_process_opens_its_valve_and_leaves_nothing_behind() {
    let database = database().await;
    let store = connect(&database);
    let aside = Aside::start("beside").unwrap();
    let (valve, health) = (Valve::unknown(), Health::new());
    let own = connect_with(&database, PostgresOptions::default());
    let upkeep = Upkeep::start(own, aside.handle(), health.clone(), &Jitter::seeded(1));
    upkeep.serve(process("a"), serving(&valve));
    while store.processes(LONG).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(is_open(&valve), "pauses are read before the row is written");
    let live = health.live();
    assert!(live.ok && live.loops.len() == 3, "{live:?}");
    assert!(
        health.ready().checks.is_empty(),
        "readiness is not its business"
    );
    upkeep.end().await;
    assert!(store.processes(LONG).await.unwrap().is_empty());
    let leases = store.query("select from fleet.leases", &[]).await.unwrap();
    assert!(leases.is_empty());
}
