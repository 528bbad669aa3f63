use std::error::Error as _;
use std::time::Duration;

use fleet::store::{
    Claim, MigrateOptions, Migration, Migrations, Outbox, OutboxSettlement, PostgresOptions,
    PostgresStore, Store, StoreError, StoreErrorClass, Transaction as _, migrate,
};
use fleet::testing::database::TestDatabase;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{chain, connect, connect_with, database, event, key};

fn options() -> PostgresOptions {
    PostgresOptions::default()
}

fn class<T>(result: Result<T, StoreError>) -> StoreErrorClass {
    result.err().expect("an error").class
}

async fn number(store: &PostgresStore, sql: &str) -> i64 {
    store.query(sql, &[]).await.unwrap()[0].get(0)
}

/// Applies a setting to every new connection of a database.
async fn set(database: &TestDatabase, setting: &str) {
    let sql = format!("alter database {} set {setting}", database.name());
    connect(database).query(&sql, &[]).await.unwrap();
}

#[tokio::test]
async fn a_thousand_transactions_dropped_in_a_statement_leave_the_pool_whole() {
    let database = database().await;
    let store = connect_with(
        &database,
        PostgresOptions {
            pool_size: 8,
            ..options()
        },
    );
    let mut dropping = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let store = store.clone();
        dropping.spawn(async move {
            let claim = loop {
                match store.claim("billing", &key(&n.to_string())).await {
                    Ok(Claim::New(claim)) => break claim,
                    // A thousand wait for eight connections.
                    Err(error) if error.class == StoreErrorClass::Busy => {}
                    other => panic!("{other:?}"),
                }
            };
            let postgres = claim.postgres().unwrap();
            // Some are dropped before the statement is sent, most within it.
            let limit = Duration::from_micros(n % 5 * 500);
            let slow = postgres.execute("select pg_sleep(3600)", &[]);
            timeout(limit, slow).await.unwrap_err();
            drop(claim);
        });
    }
    while let Some(dropped) = dropping.join_next().await {
        dropped.unwrap();
    }
    // All connections are had at once, and each of them works.
    let held: Vec<_> = futures_util::future::join_all((0..8).map(|_| store.begin())).await;
    for transaction in held {
        transaction.unwrap().commit().await.unwrap();
    }
    assert_eq!(number(&store, "select count(*) from fleet.inbox").await, 0);
    let left = "select count(*) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid() and (state <> 'idle' or query like '%sleep%')";
    // A session that was given up ends when its server process has noticed.
    let gone = async { while number(&store, left).await > 0 {} };
    let gone = timeout(Duration::from_secs(10), gone).await;
    assert!(gone.is_ok(), "sessions are left in a statement");
    assert!(store.pool_status().open <= 8, "{:?}", store.pool_status());
    store.close().await;
}

#[tokio::test]
async fn a_transaction_whose_statement_failed_cannot_be_committed() {
    let database = database().await;
    let store = connect(&database);
    let Claim::New(claim) = store.claim("billing", &key("1")).await.unwrap() else {
        panic!()
    };
    let failed = claim.postgres().unwrap().execute("select 1/0", &[]).await;
    assert_eq!(class(failed), StoreErrorClass::Data);
    let error = claim.commit().await.unwrap_err();
    assert_eq!(
        (error.class, error.sqlstate.as_deref()),
        (StoreErrorClass::Data, Some("22012"))
    );
    assert!(matches!(
        store.claim("billing", &key("1")).await.unwrap(),
        Claim::New(_)
    ));
}

#[tokio::test]
async fn a_failure_that_nobody_looked_at_keeps_the_transaction_from_committing() {
    let database = database().await;
    let store = connect(&database);
    let Claim::New(claim) = store.claim("billing", &key("1")).await.unwrap() else {
        panic!()
    };
    let postgres = claim.postgres().unwrap();
    postgres
        .query_one("select 1/(1 - $1::int)", &[&0i32])
        .await
        .unwrap();
    // Sent in the first poll, and dropped before its answer.
    let fails = postgres.query_one("select 1/(1 - $1::int)", &[&1i32]);
    tokio::select! { biased; _ = fails => panic!("answered already"), () = async {} => {} }
    let error = claim.commit().await.unwrap_err();
    assert_eq!(
        error.sqlstate.as_deref(),
        Some("25P02"),
        "{}",
        chain(&error)
    );
    assert!(matches!(
        store.claim("billing", &key("1")).await.unwrap(),
        Claim::New(_)
    ));
}

#[tokio::test]
async fn a_statement_that_nobody_waited_for_is_committed_if_it_worked() {
    let database = database().await;
    let store = connect(&database);
    store
        .query("create table goods (id int)", &[])
        .await
        .unwrap();
    let transaction = store.begin().await.unwrap();
    let sql = "insert into goods values ($1)";
    transaction.execute(sql, &[&1i32]).await.unwrap();
    let unwatched = transaction.execute(sql, &[&2i32]);
    tokio::select! { biased; _ = unwatched => panic!("answered already"), () = async {} => {} }
    transaction.commit().await.unwrap();
    assert_eq!(number(&store, "select count(*) from goods").await, 2);
    assert_eq!(store.pool_status().idle, store.pool_status().open);
}

#[tokio::test]
async fn a_constraint_that_is_checked_at_the_commit_fails_it() {
    let database = database().await;
    let store = connect(&database);
    let sql = "create table goods (id int unique deferrable initially deferred)";
    store.query(sql, &[]).await.unwrap();
    let transaction = store.begin().await.unwrap();
    transaction
        .execute("insert into goods values (1), (1)", &[])
        .await
        .unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(
        (error.class, error.sqlstate.as_deref()),
        (StoreErrorClass::Statement, Some("23505"))
    );
    assert_eq!(number(&store, "select count(*) from goods").await, 0);
}

#[tokio::test]
async fn data_that_postgres_cannot_store_is_classed_as_data() {
    let database = database().await;
    let store = connect(&database);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for json in [r#""\u0000""#, r#""\ud800""#, "1e999999", &deep] {
        let transaction = store.begin().await.unwrap();
        let result = transaction
            .execute("select $1::text::jsonb", &[&json])
            .await;
        assert_eq!(
            class(result),
            StoreErrorClass::Data,
            "{}",
            &json[..json.len().min(20)]
        );
    }
}

#[tokio::test]
async fn a_server_that_may_lose_commits_is_refused() {
    let database = database().await;
    set(&database, "synchronous_commit = off").await;
    let error = connect(&database).probe().await.unwrap_err();
    assert_eq!(error.class, StoreErrorClass::Misconfigured);
    assert!(
        chain(&error).contains("synchronous_commit is off"),
        "{}",
        chain(&error)
    );
    set_back(&database).await;
}

/// Undoes `set`, so that the refused database can be dropped like any other.
async fn set_back(database: &TestDatabase) {
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let sql = format!("alter database {} reset all", database.name());
    let reset = async move { client.batch_execute(&sql).await.unwrap() };
    tokio::join!(reset, connection).1.unwrap();
}

#[tokio::test]
async fn a_read_only_server_shows_no_sign_of_life() {
    let database = database().await;
    set(&database, "default_transaction_read_only = on").await;
    let store = connect(&database);
    let error = store.probe().await.unwrap_err();
    assert_eq!(error.class, StoreErrorClass::Unavailable);
    assert!(chain(&error).contains("read-only"), "{}", chain(&error));
    assert_eq!(
        class(store.claim("billing", &key("1")).await),
        StoreErrorClass::Unavailable
    );
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_busy_and_not_unavailable() {
    let database = database().await;
    let wait_max = Duration::from_millis(20);
    let store = connect_with(
        &database,
        PostgresOptions {
            pool_size: 1,
            wait_max,
            ..options()
        },
    );
    let held = store.begin().await.unwrap();
    assert_eq!(class(store.probe().await), StoreErrorClass::Busy);
    held.rollback().await;
    store.probe().await.unwrap();
}

#[tokio::test]
async fn no_server_is_unavailable_until_there_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgres://fleet:x@127.0.0.1:{port}/x");
    let store = PostgresStore::connect(&url, options()).unwrap();
    assert_eq!(class(store.probe().await), StoreErrorClass::Unavailable);
    let error = store.begin().await.unwrap_err();
    assert!(
        error.source().is_some() && !chain(&error).contains("fleet:x"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://fleet:x@127.0.0.1:{port}/x?connect_timeout=1");
    let store = PostgresStore::connect(&url, options()).unwrap();
    let probed = timeout(Duration::from_secs(20), store.probe())
        .await
        .unwrap();
    assert_eq!(class(probed), StoreErrorClass::Unavailable);
    drop(listener);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_cancelled_and_uncharged() {
    let database = database().await;
    let answer_max = Duration::from_millis(50);
    let store = connect_with(
        &database,
        PostgresOptions {
            pool_size: 1,
            answer_max,
            ..options()
        },
    );
    let slow = store.query("select pg_sleep(3600)", &[]).await;
    assert_eq!(class(slow), StoreErrorClass::Conflict);
    store.probe().await.unwrap();

    // So is a claim that waits for another process's for too long.
    let other = connect(&database);
    let Claim::New(held) = other.claim("billing", &key("1")).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        class(store.claim("billing", &key("1")).await),
        StoreErrorClass::Conflict
    );
    held.rollback().await;
    assert!(matches!(
        store.claim("billing", &key("1")).await.unwrap(),
        Claim::New(_)
    ));
}

#[tokio::test]
async fn connections_that_the_server_closed_are_replaced() {
    let database = database().await;
    let store = connect(&database);
    let open = store.begin().await.unwrap();
    let killer = connect(&database);
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    assert_eq!(number(&killer, sql).await, 1);
    assert_eq!(
        class(open.execute("select 1", &[]).await),
        StoreErrorClass::Unavailable
    );
    assert_eq!(class(open.commit().await), StoreErrorClass::Unavailable);
    store.probe().await.unwrap();
}

#[tokio::test]
async fn a_relay_that_is_killed_gives_its_rows_back_at_once() {
    let database = database().await;
    let (killed, other) = (connect(&database), connect(&database));
    let transaction = other.begin().await.unwrap();
    let events = ["1", "2", "3"].map(|id| event("only.one", id).ordered_by(id));
    transaction.publish_all(&events).await.unwrap();
    transaction.commit().await.unwrap();

    let claim = killed.claim_rows("one", 10).await.unwrap();
    let sent = claim.rows().iter().map(|row| row.id).collect();
    assert_eq!(other.claim_rows("one", 10).await.unwrap().rows().len(), 0);
    // What the server sees of a killed process is a closed connection.
    let sql = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction'";
    assert_eq!(number(&other, sql).await, 1);
    assert_eq!(other.claim_rows("one", 10).await.unwrap().rows().len(), 3);
    let parked = Vec::new();
    let settled = claim.settle(OutboxSettlement { sent, parked }).await;
    assert_eq!(class(settled), StoreErrorClass::Unavailable);
}

#[tokio::test]
async fn a_migration_under_a_prepared_statement_costs_nobody_an_attempt() {
    const RETYPED: Migration = Migration {
        number: 1,
        name: "retyped",
        sql: "alter table goods alter id type text",
    };
    let database = database().await;
    let store = connect_with(
        &database,
        PostgresOptions {
            pool_size: 1,
            ..options()
        },
    );
    store
        .query("create table goods (id int)", &[])
        .await
        .unwrap();
    let select = async || {
        let transaction = store.begin().await.unwrap();
        transaction.query("select * from goods", &[]).await
    };
    select().await.unwrap();
    let sets = [Migrations {
        owner: "shop",
        steps: &[RETYPED],
    }];
    migrate(database.url(), &MigrateOptions::default(), &sets, &[])
        .await
        .unwrap();
    assert_eq!(class(select().await), StoreErrorClass::Conflict);
    select().await.unwrap();
}

#[tokio::test]
async fn statements_that_are_polled_together_run_in_order() {
    let database = database().await;
    let store = connect(&database);
    let transaction = store.begin().await.unwrap();
    transaction
        .execute("create temporary table t (n int) on commit drop", &[])
        .await
        .unwrap();
    let sql = "insert into t select $1::int where (select count(*) from t) = $1::int";
    transaction.execute(sql, &[&0i32]).await.unwrap();
    let (one, two, three) = tokio::join!(
        biased;
        transaction.execute(sql, &[&1i32]),
        transaction.execute(sql, &[&2i32]),
        transaction.execute(sql, &[&3i32]),
    );
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (1, 1, 1));
    let missing = transaction.query_one("select 1 where false", &[]).await;
    assert_eq!(class(missing), StoreErrorClass::Statement);
}

#[tokio::test]
async fn many_events_are_published_in_one_statement() {
    let database = database().await;
    let store = connect(&database);
    let transaction = store.begin().await.unwrap();
    let events = [
        event("only.one", "1"),
        event("unwanted", "2"),
        event("a.b", "3"),
    ];
    assert_eq!(transaction.publish_all(&events).await.unwrap(), [1, 0, 2]);
    assert!(transaction.publish_all(&[]).await.unwrap().is_empty());
    transaction.commit().await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!(
        stats.iter().map(|of| of.pending).collect::<Vec<_>>(),
        [2, 1]
    );
}

#[tokio::test]
async fn a_commit_in_one_process_wakes_the_relay_of_another() {
    let database = database().await;
    let direct_url = Some(database.url().to_owned());
    let listener = connect_with(
        &database,
        PostgresOptions {
            direct_url,
            ..options()
        },
    );
    let mut writes = listener.writes();
    let stop = tokio_util::sync::CancellationToken::new();
    let listening = {
        let (listener, stop) = (listener.clone(), stop.clone());
        tokio::spawn(async move { listener.listen(stop).await })
    };
    // Once it listens, it says so: something may have been written before.
    let limit = Duration::from_secs(10);
    timeout(limit, writes.changed()).await.unwrap().unwrap();
    let writer = connect(&database);
    for n in 0..20 {
        let transaction = writer.begin().await.unwrap();
        transaction
            .publish(&event("a.b", &n.to_string()))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        timeout(limit, writes.changed()).await.unwrap().unwrap();
    }
    stop.cancel();
    listening.await.unwrap();
}

#[tokio::test]
async fn an_owner_of_passwords_does_not_print_them() {
    let url = "postgres://fleet:secret@127.0.0.1:1/x";
    let options = PostgresOptions {
        direct_url: Some(url.to_owned()),
        ..options()
    };
    assert!(!format!("{options:?}").contains("secret"));
    let store = PostgresStore::connect(url, options).unwrap();
    assert!(!format!("{store:?}").contains("secret"));
}
