use std::time::Duration;

use tokio::time::{Instant, advance};

use crate::meddler::Call;
use crate::stage::{Act, Stage};

fn asked_for(calls: &[Call]) -> Vec<usize> {
    let receives = calls.iter().filter_map(|call| match call {
        Call::Receive(max) => Some(*max),
        _ => None,
    });
    receives.collect()
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_or_is_received_than_there_are_permits() {
    for concurrency in [1, 3, 10, 16, 64] {
        let mut stage = Stage::new().await;
        stage.limits.concurrency = concurrency;
        let play = stage.start();
        stage.send((0..150).map(|_| Act::Work(1))).await;
        let mut most_received = 0;
        while stage.processed().len() < 150 {
            let snapshot = play.progress.snapshot();
            let in_flight = stage.receiving.received().len() as u64 - snapshot.settled;
            most_received = most_received.max(in_flight);
            advance(Duration::from_millis(20)).await;
        }
        assert_eq!(stage.journal.most_at_once(), concurrency);
        assert!(
            most_received <= concurrency as u64,
            "{most_received} of {concurrency}"
        );
        stage.is_empty().await;
        assert_eq!(
            stage.journal.runs(),
            150,
            "nobody's lease ran out in a queue"
        );
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_is_polled_by_one_receive_at_a_time_for_as_many_as_can_run() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.receiving.was_asked(4, |_| true).await;
    assert_eq!(asked_for(&stage.receiving.calls()), [10, 10, 10, 10]);
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn more_receivers_join_while_receives_come_back_full_and_leave_when_they_do_not() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 1_000;
    let play = stage.start();
    stage.send((0..2_000).map(|_| Act::Work(1))).await;
    let begun = Instant::now();
    stage.is_empty().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(stage.journal.most_at_once() > 500);

    let before = stage.receiving.calls().len();
    advance(Duration::from_secs(60)).await;
    stage.receiving.was_asked(before + 60, |_| true).await;
    let begun = Instant::now();
    let before = stage.receiving.calls().len();
    stage.receiving.was_asked(before + 3, |_| true).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(40),
        "one long poll after the other"
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn permits_that_come_back_one_by_one_share_a_receive() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 20;
    let play = stage.start();
    stage.send((0..500).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    let receives = stage.receiving.calls().len();
    assert!(receives <= 60, "{receives} receives for 500 messages");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn slow_handlers_leave_the_other_permits_to_others() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 4;
    let play = stage.start();
    stage.send((0..3).map(|_| Act::Wait)).await;
    stage.journal.started(3).await;
    let begun = Instant::now();
    for n in 0..20 {
        stage.send_as(&format!("quick {n}"), Act::Succeed).await;
    }
    while stage.processed().len() < 20 {
        advance(Duration::from_millis(10)).await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    stage.gate.add_permits(3);
    stage.is_empty().await;
    play.end(&stage).await;
}
