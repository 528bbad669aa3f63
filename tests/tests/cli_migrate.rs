//! `migrate` against a real database.
#![forbid(unsafe_code)]

use fleet::store::Migrations;
use fleet_tests::site::Site;
use serde_json::json;

/// How many steps an empty database lacks.
fn steps_of_all() -> usize {
    Migrations::RUNTIME.steps.len() + fleet_workers::migrations().steps.len()
}

#[tokio::test]
async fn a_plan_changes_nothing_and_migrating_twice_changes_nothing_twice() {
    let site = Site::unmigrated().await;
    let plan = site
        .run(&["migrate", "--plan", "--json"])
        .await
        .with_code(0);
    let steps = plan.json();
    assert_eq!(
        steps.as_array().map(Vec::len),
        Some(steps_of_all()),
        "{steps}"
    );
    assert_eq!(steps[0]["applied"], false);
    let tables = "pg_tables where schemaname in ('fleet', 'orders', 'billing')";
    assert_eq!(site.books.count(tables).await, 0, "a plan changes nothing");

    let first = site.run(&["migrate"]).await.with_code(0);
    assert_eq!(
        first.stdout.lines().count(),
        steps_of_all(),
        "{}",
        first.stdout
    );
    assert_eq!(first.stderr, format!("{} applied", steps_of_all()));
    assert_ne!(site.books.count(tables).await, 0);
    let wanted = site
        .books
        .rows("select event_type, consumer from fleet.subscriptions order by 1")
        .await;
    assert_eq!(
        json!(wanted),
        json!([
            { "event_type": "order.cancelled", "consumer": "billing" },
            { "event_type": "order.placed", "consumer": "billing" },
        ])
    );

    let second = site.run(&["migrate"]).await.with_code(0);
    assert_eq!(second.stdout, "");
    assert_eq!(second.stderr, "nothing to apply");
    let plan = site.run(&["migrate", "--plan"]).await.with_code(0);
    assert_eq!(plan.stdout, "");
}

#[tokio::test]
async fn processes_that_migrate_at_once_apply_each_step_once() {
    let site = Site::unmigrated().await;
    let (one, two, three) = tokio::join!(
        site.run(&["migrate", "--json"]),
        site.run(&["migrate", "--json"]),
        site.run(&["migrate", "--json"]),
    );
    let applied = [one, two, three].map(|ended| {
        let steps = ended.with_code(0).json();
        steps.as_array().map_or(0, Vec::len)
    });
    assert_eq!(applied.iter().sum::<usize>(), steps_of_all(), "{applied:?}");
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_refused() {
    let site = Site::new().await;
    site.books
        .run(
            "insert into fleet.migrations select (jsonb_populate_record(m, '{\"number\": 99}')).*
             from fleet.migrations m where owner = 'workers' and number = 2",
        )
        .await;
    // The previous release runs on a newer schema, it only does not touch it.
    site.run(&["run", "--drain"]).await.with_code(0);
    for arguments in [&["migrate"][..], &["migrate", "--plan"]] {
        let ended = site.run(arguments).await.with_code(2);
        assert!(ended.stderr.contains("newer"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn a_database_that_is_down_fails_without_its_password() {
    let site = Site::new()
        .await
        .with("DATABASE_URL", "postgres://fleet:hunter2@127.0.0.1:1/shop");
    let ended = site.run(&["migrate"]).await.with_code(1);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
}
