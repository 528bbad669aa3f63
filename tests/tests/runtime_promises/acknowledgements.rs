//! Promise 4, acknowledgement: only what SQS has confirmed counts as confirmed.

use std::time::Duration;

use fleet::Consumer;
use fleet_tests::mailbox::Counts;
use fleet_tests::patience::until;

use crate::job::{Job, KeepAll, jobs, numbered};
use crate::scene::Scene;

const ACKS: &str = "fleet_acks_total";

/// Counts confirmed deletes, makes sure that SQS has carried out as many, and returns these.
///
/// There must be nothing but deletes to acknowledge.
async fn deleted_of(scene: &Scene, sent: u64) -> u64 {
    let confirmed = scene.counted(ACKS, "confirmed");
    let deleted = sent - scene.mailbox.counts().await.total();
    assert!(
        confirmed <= deleted,
        "{confirmed} confirmed, {deleted} deleted"
    );
    deleted
}

/// Checks that every acknowledgement that was asked for came to one end.
fn assert_balanced(scene: &Scene) {
    let counts = ["confirmed", "failed", "unconfirmed"].map(|result| scene.counted(ACKS, result));
    let requested = scene.counted(ACKS, "requested");
    assert_eq!(requested, counts.iter().sum::<u64>(), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_count_as_confirmed_when_sqs_has_carried_them_out_and_not_before() {
    const SENT: u64 = 600;
    let mut scene = Scene::on("confirmed", Duration::from_secs(30)).await;
    scene.limits.concurrency = 100;
    // One after the other, as their counts run out.
    scene.faults(
        "seed=4; partial ops=DeleteMessageBatch share=0.7 count=25; \
         lost ops=DeleteMessageBatch count=15; error ops=DeleteMessageBatch count=15; \
         partial ops=DeleteMessageBatch share=1 count=5; lost ops=DeleteMessageBatch count=5",
    );
    let play = scene.start(Consumer::new("jobs").batch_handler(KeepAll), None);
    scene.send(numbered(&Job::Keep, 600)).await;
    until("everything is deleted", || async {
        (deleted_of(&scene, SENT).await == SENT).then_some(())
    })
    .await;
    // What was deleted without an answer is asked for again.
    scene.stop(play).await;
    assert_eq!(scene.counted(ACKS, "confirmed"), SENT);
    assert_eq!(
        scene.counted(ACKS, "requested"),
        SENT,
        "nothing was done twice"
    );
    assert_balanced(&scene);
    assert_eq!(scene.effects().await, (600, 600));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_without_an_answer_count_as_unconfirmed_and_their_messages_come_back() {
    const SENT: u64 = 40;
    let scene = Scene::on("unconfirmed", Duration::from_secs(2)).await;
    scene.faults("seed=4; error ops=DeleteMessageBatch");
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 40)).await;
    until("leases are over before their deletes", || async {
        assert_eq!(deleted_of(&scene, SENT).await, 0);
        (scene.counted(ACKS, "unconfirmed") >= SENT).then_some(())
    })
    .await;
    scene.sqs.clear_faults();
    until("everything is deleted", || async {
        (deleted_of(&scene, SENT).await == SENT).then_some(())
    })
    .await;
    scene.stop(play).await;
    assert_balanced(&scene);
    assert_eq!(scene.effects().await, (40, 40));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_when_the_lease_is_over_confirms_nothing() {
    let scene = Scene::on("late", Duration::from_secs(2)).await;
    // Some forty bytes take longer than the lease, and less than a call may take.
    scene.faults("drip ops=DeleteMessageBatch every=80ms");
    let play = scene.start(jobs(), None);
    scene.send(numbered(&Job::Keep, 1)).await;
    let ended = |result| scene.counted(ACKS, result);
    until("the delete came to an end", || async {
        (ended("unconfirmed") + ended("confirmed") > 0).then_some(())
    })
    .await;
    scene.stop(play).await;
    let counts = ["requested", "unconfirmed", "confirmed"].map(ended);
    assert_eq!(counts, [1, 1, 0]);
    assert_eq!(scene.mailbox.counts().await, Counts::NONE);
    scene.close().await;
}
