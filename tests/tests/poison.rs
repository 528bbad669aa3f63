//! A message that takes its process along each time.
#![forbid(unsafe_code)]

use fleet_tests::load::send_job;
use fleet_tests::patience::until;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;
use fleet_tests::workshop::Workshop;
use serde_json::json;

/// How `abort` ends a process.
const SIGABRT: i32 = 6;

const ATTEMPTS: u64 = 2;

/// Messages that are in hand when the process dies.
const NEIGHBOURS: u64 = 8;

/// Promise 2: what no process survives is charged, from the second time alone, and dead-lettered
/// before it runs once more; those who were in hand with it are done.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_process_dies_in_the_end_and_takes_nobody_along() {
    let site = Site::new()
        .await
        .with("BILLING_MAX_ATTEMPTS", &ATTEMPTS.to_string());
    // The shortest that goes with the wait.
    site.queue.set("VisibilityTimeout", "12").await;
    let shop = Workshop::new(site, env!("CARGO_BIN_EXE_sturdy")).await;
    let poison = json!({
        "specversion": "1.0", "id": "poison", "source": "/load", "type": "job",
        "data": { "work_ms": 500, "kills": true },
    });
    let queue = &shop.site.queue;
    queue.send(&poison.to_string(), Default::default()).await;
    for id in 0..NEIGHBOURS {
        send_job(queue, id, 1_000).await;
    }

    // The first time nobody knows why, and it is free.
    for _ in 0..1 + ATTEMPTS {
        let ended = shop.launch().ended().await;
        assert_eq!(ended.killed_by(), Some(SIGABRT), "{}", ended.stderr);
    }
    let hand = shop.start().await;
    shop.until_effects(NEIGHBOURS).await;
    until("the queue is empty", || async {
        (queue.counts().await.total() == 0).then_some(())
    })
    .await;

    let books = &shop.site.books;
    let twice = "(select event from effects group by event having count(*) > 1) e";
    assert_eq!(books.count(twice).await, 0, "an effect is there twice");
    assert_eq!(shop.effects().await, NEIGHBOURS);
    let dead = books
        .rows("select event_id, class, reason, attempts from fleet.dead_letters")
        .await;
    let expected = json!([{
        "event_id": "poison", "class": "crash_suspect",
        "reason": "the process did not survive its handler", "attempts": ATTEMPTS,
    }]);
    assert_eq!(json!(dead), expected);
    assert_eq!(shop.site.dead_letters.counts().await.total(), 1);
    hand.process.signal(Signal::Terminate);
    hand.process.ended().await.with_code(0);
}
