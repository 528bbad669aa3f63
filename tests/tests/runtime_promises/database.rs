//! What Postgres says and does, and whom it is charged to.

use std::time::Duration;

use fleet::store::{PostgresOptions, PostgresStore};
use fleet_tests::patience::until;

use crate::job::{Job, jobs, numbered};
use crate::scene::{Scene, connect};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_killed_in_the_middle_of_work_charge_nobody_and_double_nothing() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 600)).await;
    let client = connect(scene.database.url()).await;
    for share in 1..=3 {
        until("a part is done", || async {
            (scene.effects().await.0 >= share * 150).then_some(())
        })
        .await;
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where datname = current_database() and pid <> pg_backend_pid()";
        client.query(kill, &[]).await.unwrap();
    }
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (600, 600));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    assert_eq!(scene.dead.attributes().await.unwrap().visible, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_in_the_database_leaves_no_trace_and_no_poisoned_connection() {
    let mut scene = Scene::new().await;
    scene.limits.handler_timeout = Duration::from_millis(500);
    scene.limits.attempts_max = 1;
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Hang, 20)).await;
    for (_, failure) in scene.dead_letters(20).await {
        assert_eq!(failure.reason, "handler timed out");
    }
    assert_eq!(scene.effects().await, (0, 0));
    // The same connections serve the next worker, whose handlers have time.
    scene.stop(play).await;
    scene.renew_shutdown();
    scene.limits.handler_timeout = Duration::from_secs(30);
    let play = scene.start(jobs(), None);
    let keep = (100..150).map(|n| (n.to_string(), Job::Keep));
    scene.send(keep).await;
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (50, 50));
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_says_decides_between_a_retry_and_a_dead_letter() {
    let mut scene = Scene::new().await;
    scene.limits.attempts_max = 2;
    let play = scene.start(jobs(), None);
    let jobs = [Job::Unstorable, Job::Violate, Job::Keep];
    scene
        .send((0..).map(|n: u32| n.to_string()).zip(jobs))
        .await;
    let mut dead = scene.dead_letters(2).await;
    dead.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
    let failures = dead.iter().map(|(_, failure)| {
        let detail = failure.detail.as_deref();
        (failure.reason.as_str(), detail, failure.attempts)
    });
    let expected = [
        ("the database refuses the data", Some("SQLSTATE 22P05"), 1),
        (
            "the database refused the statement (SQLSTATE 23505)",
            None,
            2,
        ),
    ];
    assert_eq!(failures.collect::<Vec<_>>(), expected);
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (1, 1));
    let recorded = "select count(*) from fleet.dead_letters";
    assert_eq!(scene.count(recorded).await, 2);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_pool_is_backpressure_and_no_outage() {
    let mut scene = Scene::new().await;
    let options = PostgresOptions {
        pool_size: 2,
        wait_max: Duration::from_millis(50),
        ..PostgresOptions::default()
    };
    scene.store = PostgresStore::connect(scene.database.url(), options).unwrap();
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Dawdle, 20)).await;
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (20, 20));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    let contended = "select count(*) from fleet.attempts where reason = 'contention'";
    assert!(scene.count(contended).await > 0, "the pool was busy");
    let unavailable = "select count(*) from fleet.attempts where reason like '%unavailable'";
    assert_eq!(scene.count(unavailable).await, 0);
    assert!(scene.health.ready().checks["database"].ok);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_runtime_that_are_gone_for_a_while_charge_nobody() {
    let scene = Scene::new().await;
    let client = connect(scene.database.url()).await;
    let hide = "alter table fleet.inbox rename to hidden";
    client.batch_execute(hide).await.unwrap();
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 20)).await;
    until("messages were released", || async {
        (play.progress.snapshot().settled >= 10).then_some(())
    })
    .await;
    let show = "alter table fleet.hidden rename to inbox";
    client.batch_execute(show).await.unwrap();
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (20, 20));
    let charged = "select count(*) from fleet.attempts where charged";
    assert_eq!(scene.count(charged).await, 0);
    scene.end(play).await;
}
