//! At least once delivered, its effect in Postgres exactly once.

use std::time::Duration;

use fleet::Consumer;
use fleet_tests::gate::Gate;
use fleet_tests::patience::until;

use crate::job::{Job, KeepAll, jobs, numbered};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_many_times_over_has_its_effect_once() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    for _ in 0..3 {
        scene.send(numbered(&Job::Publish, 100)).await;
    }
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (100, 100));
    assert_eq!(play.progress.snapshot().duplicates, 200);
    let inbox = "select count(*) from fleet.inbox where consumer = 'jobs'";
    assert_eq!(scene.count(inbox).await, 100);
    assert_eq!(scene.count("select count(*) from fleet.outbox").await, 100);
    assert_eq!(scene.count("select count(*) from fleet.attempts").await, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_whose_deletes_never_arrive_is_redelivered_and_only_deleted() {
    let scene = Scene::on("undeleted", Duration::from_secs(2)).await;
    let gate = Gate::closed(scene.server.addr()).await;
    let play = scene.start(jobs(), Some(gate.addr()));
    scene.send(numbered(&Job::Keep, 30)).await;
    until("everything came back", || async {
        (play.progress.snapshot().duplicates >= 30).then_some(())
    })
    .await;
    gate.open();
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (30, 30));
    assert_eq!(scene.count("select count(*) from fleet.attempts").await, 0);
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_commits_together_and_one_that_breaks_it_dies_alone() {
    let mut scene = Scene::new().await;
    scene.limits.concurrency = 100;
    scene.limits.attempts_max = 1;
    let play = scene.start(Consumer::new("jobs").batch_handler(KeepAll), None);
    let jobs = (0..300).map(|n| match n {
        77 => (n.to_string(), Job::Violate),
        _ => (n.to_string(), Job::Keep),
    });
    scene.send(jobs).await;
    scene.send(numbered(&Job::Keep, 50)).await;
    let dead = scene.dead_letters(1).await;
    assert_eq!(dead[0].1.key.id, "77");
    scene.until_empty().await;
    assert_eq!(scene.effects().await, (299, 299));
    let inbox = "select count(*) from fleet.inbox";
    assert_eq!(scene.count(inbox).await, 299);
    scene.end(play).await;
}
