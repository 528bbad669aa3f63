use std::time::Duration;

use fleet::store::{Pause, Pausing, PostgresStore};

use crate::support::{connect, database};

const HOUR: Duration = Duration::from_secs(3_600);

async fn pause(store: &PostgresStore, consumer: &str, length: Option<Duration>) -> Pausing {
    let pausing = store.pause(consumer, "a bad deploy", "ann@desk", length);
    pausing.await.unwrap()
}

async fn is_on(store: &PostgresStore, consumer: &str) -> Option<Pause> {
    store.pauses(&[consumer], &[]).await.unwrap().pop()
}

/// Lets the time of the pauses that are on be over.
async fn let_expire(store: &PostgresStore) {
    let sql = "update fleet.pauses set until = clock_timestamp() where resumed_at is null";
    store.query(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn a_pause_is_on_until_it_is_resumed_and_says_who_and_why() {
    let database = database().await;
    let store = connect(&database);
    assert_eq!(is_on(&store, "billing").await, None);
    let Pausing::Paused(paused) = pause(&store, "billing", None).await else {
        panic!("nobody had paused it");
    };
    assert_eq!(paused.consumer, "billing");
    assert_eq!(paused.reason, "a bad deploy");
    assert_eq!(paused.paused_by, "ann@desk");
    assert_eq!((paused.until, paused.left), (None, None));
    assert_eq!(is_on(&store, "billing").await, Some(paused.clone()));
    assert_eq!(is_on(&store, "inventory").await, None);

    let resumed = store.resume("billing", "bob@desk").await.unwrap().unwrap();
    assert_eq!(resumed.id, paused.id);
    assert_eq!(is_on(&store, "billing").await, None);
    assert_eq!(store.resume("billing", "bob@desk").await.unwrap(), None);
    let [known] = &store.pauses(&["billing"], &[paused.id]).await.unwrap()[..] else {
        panic!("what is known by its number is told of");
    };
    assert!(!known.is_on);
    assert_eq!(known.resumed_by.as_deref(), Some("bob@desk"));
}

#[tokio::test]
async fn a_second_pause_leaves_the_first_as_it_is() {
    let database = database().await;
    let store = connect(&database);
    let Pausing::Paused(first) = pause(&store, "billing", Some(HOUR)).await else {
        panic!("nobody had paused it");
    };
    let second = store.pause("billing", "another reason", "bob@desk", None);
    let Pausing::AlreadyPaused(found) = second.await.unwrap() else {
        panic!("it was paused");
    };
    assert_eq!((found.id, found.until), (first.id, first.until));
    assert_eq!(found.reason, "a bad deploy");
}

#[tokio::test]
async fn of_many_who_pause_at_once_one_does() {
    let database = database().await;
    let store = connect(&database);
    let pausings = futures_util::future::join_all((0..8).map(|_| pause(&store, "billing", None)));
    let is_new = |pausing: &&Pausing| matches!(pausing, Pausing::Paused(_));
    assert_eq!(pausings.await.iter().filter(is_new).count(), 1);
    let rows = store.query("select from fleet.pauses", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_pause_with_an_end_is_over_by_itself_and_stays_in_the_history() {
    let database = database().await;
    let store = connect(&database);
    pause(&store, "billing", Some(HOUR)).await;
    let on = is_on(&store, "billing").await.unwrap();
    let left = on.left.unwrap();
    assert!(
        left <= HOUR && left > HOUR - Duration::from_secs(600),
        "{left:?}"
    );
    let_expire(&store).await;
    assert_eq!(is_on(&store, "billing").await, None);
    assert_eq!(store.resume("billing", "bob@desk").await.unwrap(), None);

    let next = pause(&store, "billing", None).await;
    assert!(matches!(next, Pausing::Paused(_)), "{next:?}");
    let history = "select resumed_at = until, resumed_by is null from fleet.pauses order by id";
    let history = store.query(history, &[]).await.unwrap();
    let ends: Vec<(Option<bool>, bool)> =
        history.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(ends, [(Some(true), true), (None, true)]);
}
