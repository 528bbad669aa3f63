use std::time::Duration;

use fleet::consume::{Clock, Valve};
use fleet::queue::Queue;
use tokio::time::{Instant, advance};

use crate::stage::{Act, Stage};

const HOUR: Duration = Duration::from_secs(3600);

/// Promise 1: a pause is a wait like any other, and every loop goes on ticking.
#[tokio::test(start_paused = true)]
async fn while_the_valve_is_shut_nothing_is_asked_for_and_the_process_stays_live() {
    let stage = Stage::new().await;
    stage.valve.shut(None);
    let play = stage.start();
    stage.send((0..20).map(|_| Act::Succeed)).await;
    let end = Instant::now() + HOUR;
    while Instant::now() < end {
        advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        assert!(stage.health.live().ok);
    }
    assert_eq!(stage.receiving.calls(), []);
    stage.valve.open();
    let opened = Instant::now();
    stage.is_empty().await;
    assert!(opened.elapsed() < Duration::from_secs(1));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_receive_under_way_brings_is_given_back_at_once_and_work_in_hand_goes_on() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    stage.receiving.was_asked(2, |_| true).await;
    stage.valve.shut(None);
    stage.send_as("late", Act::Succeed).await;
    let shows_one = |counts: &fleet::queue::QueueAttributes| counts.visible == 1;
    stage.until("it is visible again", shows_one).await;
    assert_eq!(stage.journal.runs(), 1, "nobody worked on it");
    stage.gate.add_permits(1);
    let is_done = |counts: &fleet::queue::QueueAttributes| counts.in_flight == 0;
    stage.until("work in hand is done", is_done).await;
    assert_eq!(stage.processed(), ["0"]);

    stage.valve.open();
    stage.is_empty().await;
    let received = stage.receiving.received();
    assert_eq!(received.len(), 3, "the late one came twice");
    assert_eq!(stage.charged(), 0);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_with_an_end_is_over_by_itself() {
    let stage = Stage::new().await;
    let clock = Clock::following_runtime();
    stage.valve.shut(Some(clock.now() + HOUR));
    let play = stage.start();
    let begun = Instant::now();
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    let took = begun.elapsed();
    assert!(
        took >= HOUR && took < HOUR + Duration::from_secs(3),
        "{took:?}"
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_before_it_is_known_whether_the_consumer_is_paused() {
    let stage = Stage {
        valve: Valve::unknown(),
        ..Stage::new().await
    };
    let play = stage.start();
    stage.send([Act::Succeed]).await;
    for _ in 0..600 {
        advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.receiving.calls(), []);
    assert_eq!(stage.queue.attributes().await.unwrap().visible, 1);
    stage.valve.open();
    stage.is_empty().await;
    play.end(&stage).await;
}
