use std::time::Duration;

use fleet::store::PostgresStore;
use fleet::upkeep::Leadership;

use crate::support::{connect, database};

const LONG: Duration = Duration::from_secs(3_600);

async fn takes(store: &PostgresStore, holder: &str) -> bool {
    store.take_lease("job", holder, LONG).await.unwrap()
}

/// Lets the time of every lease be over.
async fn let_expire(store: &PostgresStore) {
    let sql = "update fleet.leases set until = clock_timestamp()";
    store.query(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn a_lease_has_one_holder_until_its_end() {
    let database = database().await;
    let store = connect(&database);
    assert!(takes(&store, "one").await);
    assert!(!takes(&store, "two").await);
    assert!(
        takes(&store, "one").await,
        "its holder makes it last longer"
    );
    assert!(store.take_lease("other", "two", LONG).await.unwrap());

    let_expire(&store).await;
    assert!(takes(&store, "two").await);
    assert!(
        !takes(&store, "one").await,
        "it is lost, and not taken back"
    );
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_was_said_by_the_clock_of_the_database() {
    let database = database().await;
    let store = connect(&database);
    assert!(takes(&store, "one").await);
    let left = "select extract(epoch from until - clock_timestamp())::float8 from fleet.leases";
    let left: f64 = store.query(left, &[]).await.unwrap()[0].get(0);
    assert!((3_000.0..=3_600.0).contains(&left), "{left}");
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_free_and_only_its_holder_gives_it_back() {
    let database = database().await;
    let store = connect(&database);
    assert!(takes(&store, "one").await);
    store.give_lease_back("job", "two").await.unwrap();
    assert!(!takes(&store, "two").await);
    store.give_lease_back("job", "one").await.unwrap();
    assert!(takes(&store, "two").await);
}

#[tokio::test]
async fn of_many_who_take_a_free_lease_at_once_one_holds_it() {
    let database = database().await;
    let store = connect(&database);
    for round in 0..5 {
        let holders: Vec<_> = (0..8).map(|n| format!("{round}-{n}")).collect();
        let taken = futures_util::future::join_all(holders.iter().map(|one| takes(&store, one)));
        assert_eq!(taken.await.iter().filter(|held| **held).count(), 1);
        let_expire(&store).await;
    }
}

#[tokio::test]
async fn a_leader_that_lost_its_lease_learns_it_and_one_that_resigns_is_succeeded_at_once() {
    let database = database().await;
    let store = connect(&database);
    let mut one = Leadership::of_pruning(&store, "one");
    let mut two = Leadership::of_pruning(&store, "two");
    assert!(one.confirm().await.unwrap());
    assert!(one.confirm().await.unwrap());
    assert!(!two.confirm().await.unwrap());
    let_expire(&store).await;
    assert!(two.keep().await.unwrap());
    assert!(!one.keep().await.unwrap());
    assert!(!one.confirm().await.unwrap());
    one.resign().await.unwrap();
    assert!(!one.keep().await.unwrap(), "it had nothing to give back");
    two.resign().await.unwrap();
    assert!(one.keep().await.unwrap());
}
