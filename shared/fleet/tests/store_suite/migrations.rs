use std::time::Duration;

use fleet::store::{
    MigrateError, MigrateOptions, Migration, Migrations, PostgresStore, StoreErrorClass,
    Subscription, migrate, plan,
};
use fleet::testing::database::TestDatabase;

use crate::support::{chain, connect, database};

const ONE: Migration = Migration {
    number: 1,
    name: "one",
    sql: "create table goods (id int); insert into goods values (1)",
};
const TWO: Migration = Migration {
    number: 2,
    name: "two",
    sql: "alter table goods add price int",
};
const BROKEN: Migration = Migration {
    number: 2,
    name: "broken",
    sql: "insert into goods values (2); select 1/0",
};

const SHOP_1: Migrations = Migrations {
    owner: "shop",
    steps: &[ONE],
};
const SHOP_2: Migrations = Migrations {
    owner: "shop",
    steps: &[ONE, TWO],
};

/// How many migrations the runtime has by now.
const OF_RUNTIME: usize = Migrations::RUNTIME.steps.len();

fn options() -> MigrateOptions {
    MigrateOptions::default()
}

fn subscription(event_type: &str, consumer: &str) -> Subscription {
    Subscription {
        event_type: event_type.to_owned(),
        consumer: consumer.to_owned(),
    }
}

async fn run(database: &TestDatabase, sets: &[Migrations]) -> Result<Vec<String>, MigrateError> {
    let applied = migrate(database.url(), &options(), sets, &[]).await?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

async fn count(store: &PostgresStore, sql: &str) -> i64 {
    store.query(sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn what_is_lacking_is_planned_then_applied_once() {
    let database = TestDatabase::empty().await.unwrap();
    let store = connect(&database);
    let sets = [Migrations::RUNTIME, SHOP_2];
    assert_eq!(
        store.check_schema(&sets).await.unwrap().len(),
        OF_RUNTIME + 2
    );
    let planned = plan(database.url(), &options(), &sets).await.unwrap();
    let planned: Vec<_> = planned.iter().map(ToString::to_string).collect();
    assert_eq!(planned[0], "fleet 0001 runtime");
    assert_eq!(planned[OF_RUNTIME..], ["shop 0001 one", "shop 0002 two"]);
    assert_eq!(run(&database, &sets).await.unwrap(), planned);
    assert!(run(&database, &sets).await.unwrap().is_empty());
    assert!(
        plan(database.url(), &options(), &sets)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.check_schema(&sets).await.unwrap().is_empty());
    assert_eq!(count(&store, "select count(*) from goods").await, 1);
}

#[tokio::test]
async fn many_at_once_apply_each_migration_once() {
    let database = TestDatabase::empty().await.unwrap();
    let sets = [Migrations::RUNTIME, SHOP_2];
    let (a, b, c) = tokio::join!(
        run(&database, &sets),
        run(&database, &sets),
        run(&database, &sets)
    );
    let applied = [a, b, c].map(|applied| applied.unwrap().len());
    assert_eq!(applied.iter().sum::<usize>(), OF_RUNTIME + 2, "{applied:?}");
    assert_eq!(
        count(&connect(&database), "select count(*) from goods").await,
        1
    );
}

#[tokio::test]
async fn a_newer_database_is_refused_by_migrate_and_good_enough_to_run() {
    let database = TestDatabase::empty().await.unwrap();
    run(&database, &[Migrations::RUNTIME, SHOP_2])
        .await
        .unwrap();
    let error = run(&database, &[Migrations::RUNTIME, SHOP_1])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            MigrateError::Newer {
                owner: "shop",
                found: 2,
                known: 1
            }
        ),
        "{error}"
    );
    let store = connect(&database);
    assert!(
        store
            .check_schema(&[Migrations::RUNTIME, SHOP_1])
            .await
            .unwrap()
            .is_empty()
    );
    // A program that does not know the shop leaves it alone.
    assert!(
        run(&database, &[Migrations::RUNTIME])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_migration_that_was_edited_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    run(&database, &[SHOP_1]).await.unwrap();
    let edited = Migrations {
        owner: "shop",
        steps: &[Migration {
            sql: "select 1",
            ..ONE
        }],
    };
    let error = run(&database, &[edited]).await.unwrap_err();
    assert!(matches!(error, MigrateError::Changed(_)), "{error}");
    assert!(error.to_string().contains("shop 0001 one"), "{error}");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_of_itself() {
    let database = TestDatabase::empty().await.unwrap();
    let broken = Migrations {
        owner: "shop",
        steps: &[ONE, BROKEN],
    };
    let error = run(&database, &[broken]).await.unwrap_err();
    assert!(
        chain(&error).contains("shop 0002 broken failed"),
        "{}",
        chain(&error)
    );
    assert_eq!(
        count(&connect(&database), "select count(*) from goods").await,
        1
    );
    assert_eq!(run(&database, &[SHOP_2]).await.unwrap(), ["shop 0002 two"]);
}

#[tokio::test]
async fn numbers_have_to_count_without_gaps() {
    let database = TestDatabase::empty().await.unwrap();
    let gap = Migrations {
        owner: "shop",
        steps: &[TWO],
    };
    let error = run(&database, &[gap]).await.unwrap_err();
    assert!(
        matches!(error, MigrateError::Misnumbered { number: 2, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_locked_table_is_waited_for_in_short_turns() {
    let database = TestDatabase::empty().await.unwrap();
    run(&database, &[SHOP_1]).await.unwrap();
    let store = connect(&database);
    let holder = store.begin().await.unwrap();
    holder
        .execute("lock table goods in access share mode", &[])
        .await
        .unwrap();
    let url = database.url().to_owned();
    let migrating = tokio::spawn(async move {
        let options = MigrateOptions {
            lock_timeout: Duration::from_millis(50),
            ..options()
        };
        migrate(&url, &options, &[SHOP_2], &[]).await
    });
    // Its first turn has ended when another writer, queued behind it, comes through.
    let waits = "select count(*) from pg_stat_activity
        where wait_event_type = 'Lock' and query like 'alter table goods%'
            and datname = current_database()";
    while count(&store, waits).await == 0 {
        tokio::task::yield_now().await;
    }
    let rows = tokio::time::timeout(
        Duration::from_secs(5),
        store.query("insert into goods values (5) returning 1::bigint", &[]),
    );
    assert_eq!(rows.await.unwrap().unwrap().len(), 1);
    holder.commit().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn subscriptions_become_what_is_registered_and_others_stay() {
    let database = database().await;
    let store = connect(&database);
    let list = async || -> Vec<String> {
        let sql = "select event_type || ' ' || consumer from fleet.subscriptions order by 1";
        store
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    assert_eq!(list().await, ["a.b one", "a.b two", "only.one one"]);
    let new = [
        subscription("a.b", "one"),
        subscription("new", "one"),
        subscription("new", "one"),
    ];
    migrate(database.url(), &options(), &[Migrations::RUNTIME], &new)
        .await
        .unwrap();
    assert_eq!(list().await, ["a.b one", "a.b two", "new one"]);
    migrate(database.url(), &options(), &[Migrations::RUNTIME], &[])
        .await
        .unwrap();
    assert_eq!(list().await, ["a.b one", "a.b two", "new one"]);
}

#[tokio::test]
async fn the_tables_live_in_the_schema_that_was_asked_for() {
    let database = TestDatabase::empty().await.unwrap();
    let options = MigrateOptions {
        schema: "work_2".to_owned(),
        ..options()
    };
    migrate(database.url(), &options, &[Migrations::RUNTIME], &[])
        .await
        .unwrap();
    let store = connect(&database);
    assert_eq!(count(&store, "select count(*) from work_2.outbox").await, 0);
    assert_eq!(
        store
            .check_schema(&[Migrations::RUNTIME])
            .await
            .unwrap()
            .len(),
        OF_RUNTIME
    );
}

#[tokio::test]
async fn no_schema_name_reaches_the_server_unchecked() {
    for schema in ["", "Fleet", "a\"b", "1a", "a.b", &"x".repeat(64)] {
        let options = MigrateOptions {
            schema: schema.to_owned(),
            ..options()
        };
        let error = migrate("postgres://127.0.0.1:1/x", &options, &[], &[])
            .await
            .unwrap_err();
        let MigrateError::Store(error) = error else {
            panic!("{schema}: {error}")
        };
        assert_eq!(error.class, StoreErrorClass::Misconfigured, "{schema}");
    }
}

mod enqueue {
    use fleet::store::Outbox;

    use super::{PostgresStore, connect, count, database};

    async fn enqueue(store: &PostgresStore, arguments: &str) -> String {
        let sql = format!("select fleet.enqueue({arguments})");
        store.query(&sql, &[]).await.unwrap()[0].get(0)
    }

    #[tokio::test]
    async fn a_writer_in_sql_reaches_every_subscriber() {
        let database = database().await;
        let store = connect(&database);
        let id = enqueue(&store, r#"'a.b', '{"n": 1.50, "t": "ü"}'"#).await;
        for destination in ["one", "two"] {
            let claim = store.claim_rows(destination, 10).await.unwrap();
            let [row] = claim.rows() else {
                panic!("{claim:?}")
            };
            assert_eq!(row.event.key.id, id);
            assert_eq!(row.event.key.source, format!("/sql/{}", database.name()));
            assert_eq!(row.event.event_type, "a.b");
            assert_eq!(row.event.data, r#"{"n": 1.50, "t": "ü"}"#);
            assert_eq!(row.event.ordering_key, None);
        }
    }

    #[tokio::test]
    async fn an_id_of_the_writer_stands_once_and_keys_keep_order() {
        let database = database().await;
        let store = connect(&database);
        for arguments in [
            "'only.one', '1', 'id-1', 'key'",
            "'only.one', '2', 'id-1', 'key'",
            "'only.one', '3', 'id-2', 'key'",
            "'only.one', '4', ordering_key => ''",
        ] {
            enqueue(&store, arguments).await;
        }
        assert_eq!(
            enqueue(&store, "type => 'only.one', data => '5', id => 'id-1'").await,
            "id-1"
        );
        let claim = store.claim_rows("one", 10).await.unwrap();
        let data: Vec<_> = claim
            .rows()
            .iter()
            .map(|row| row.event.data.as_str())
            .collect();
        assert_eq!(data, ["1", "4"]);
    }

    #[tokio::test]
    async fn a_type_that_nobody_wants_leaves_no_row() {
        let database = database().await;
        let store = connect(&database);
        assert_eq!(enqueue(&store, "'unwanted', '{}', 'x'").await, "x");
        assert_eq!(count(&store, "select count(*) from fleet.outbox").await, 0);
    }

    #[tokio::test]
    async fn what_is_no_event_is_refused() {
        let database = database().await;
        let store = connect(&database);
        for arguments in [
            "null, '{}'",
            "'', '{}'",
            "'a.b', null",
            "'a.b', '{}', ''",
            "'a.b', '{}', repeat('x', 1025)",
        ] {
            let sql = format!("select fleet.enqueue({arguments})");
            store.query(&sql, &[]).await.unwrap_err();
        }
    }
}
