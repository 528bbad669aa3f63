//! Promises 1 and 8: what ends a worker, and what does not.

use std::time::Duration;

use fleet_tests::patience::until;
use sqs_local::DeleteQueue;

use crate::job::{Job, jobs, numbered};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_at_run_time_shows_in_readiness_and_ends_nothing() {
    let scene = Scene::new().await;
    let play = scene.start(jobs(), None);
    scene.health.set_started();
    scene.send(numbered(&Job::Keep, 5)).await;
    scene.until_empty().await;
    let delete = DeleteQueue {
        queue_url: scene.queue.url().to_owned(),
    };
    scene.sqs.call(delete).await.unwrap();
    let check = until("the check is red", || async {
        let mut ready = scene.health.ready();
        let check = ready.checks.remove("queue jobs")?;
        (!check.ok).then_some(check)
    })
    .await;
    let error = check.error.unwrap();
    assert!(error.contains("the queue does not exist"), "{error}");
    assert!(scene.health.live().ok && !play.running.is_finished());
    scene.end(play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_its_long_poll_and_leaves_nothing_in_flight() {
    let mut scene = Scene::new().await;
    scene.limits.receive_wait = Duration::from_secs(3);
    let play = scene.start(jobs(), None);
    let url = scene.queue.url().to_owned();
    until("a long poll is under way", || async {
        (scene.sqs.waiting_receives(&url).ok()? > 0).then_some(())
    })
    .await;
    scene.shutdown.request();
    scene.send(numbered(&Job::Keep, 7)).await;
    until("everything is visible", || async {
        let counts = scene.mailbox.counts().await;
        (play.running.is_finished() && counts.visible == 7).then_some(())
    })
    .await;
    assert_eq!(scene.mailbox.counts().await.in_flight, 0);
    assert_eq!(scene.effects().await, (0, 0));
    scene.end(play).await;
}
