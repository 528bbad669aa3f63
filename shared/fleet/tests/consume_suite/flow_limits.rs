use std::time::Duration;

use fleet::service::config::RateLimit;
use tokio::time::{Instant, advance};

use crate::meddler::Call;
use crate::stage::{Act, Stage, message};

const MIB: usize = 1024 * 1024;

/// Sends jobs whose bodies have this size.
async fn send_large(stage: &Stage, jobs: usize, bytes: usize) {
    for id in 0..jobs {
        let head = format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"job","data":{{"act":{{"work":1}},"fill":""#
        );
        let fill = "x".repeat(bytes - head.len() - 3);
        stage
            .send_message(message(&format!("{head}{fill}\"}}}}"), &[]))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_messages_come_in_any_time_than_the_rate_and_a_burst() {
    for (thousandths, burst, jobs) in [(500, 1, 20), (5_000, 5, 60), (40_000, 10, 300)] {
        let mut stage = Stage::new().await;
        stage.limits.rate_limit = Some(RateLimit::in_thousand_secs(thousandths));
        stage.send((0..jobs).map(|_| Act::Succeed)).await;
        let begun = Instant::now();
        let play = stage.start();
        stage.is_empty().await;
        let took = begun.elapsed().as_secs_f64();
        let rate = f64::from(u32::try_from(thousandths).unwrap()) / 1_000.0;
        let expected = (jobs - burst) as f64 / rate;
        assert!(
            took < expected * 1.1 + 2.0,
            "{rate}: the rate is reached, {took} s"
        );
        let runs = stage.journal.runs.borrow().clone();
        for (first, (_, _, from)) in runs.iter().enumerate() {
            for (last, (_, _, to)) in runs.iter().enumerate().skip(first) {
                let window = (*to - *from).as_secs_f64();
                let most = rate * window + burst as f64 + 1e-6;
                assert!((last - first + 1) as f64 <= most, "{rate}: {window} s");
            }
        }
        let receives = stage.receiving.calls().len();
        assert!(
            receives <= jobs.max(20),
            "{rate}: {receives} receives for {jobs} messages"
        );
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_never_asks_for_more_than_the_rate_allows_and_an_idle_one_costs_nothing() {
    let mut stage = Stage::new().await;
    stage.limits.rate_limit = Some(RateLimit::in_thousand_secs(3_000));
    let play = stage.start();
    stage.receiving.was_asked(5, |_| true).await;
    assert!(
        stage
            .receiving
            .calls()
            .iter()
            .all(|call| *call == Call::Receive(3))
    );
    let begun = Instant::now();
    stage.send((0..3).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "a burst was saved up"
    );
    play.end(&stage).await;
}

/// Promise 9.
#[tokio::test(start_paused = true)]
async fn large_bodies_stay_within_the_budget_and_all_are_worked_on() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 64;
    stage.limits.bytes_max = 8 * MIB as u64;
    send_large(&stage, 60, MIB).await;
    let play = stage.start();
    while stage.processed().len() < 60 {
        let snapshot = play.progress.snapshot();
        let held = snapshot.received - snapshot.settled;
        assert!(held <= 8, "{held} bodies of a mebibyte in hand");
        advance(Duration::from_millis(20)).await;
    }
    assert!(
        stage.journal.most_at_once() >= 5,
        "{}",
        stage.journal.most_at_once()
    );
    stage.is_empty().await;
    play.end(&stage).await;
}

/// Promise 9.
#[tokio::test(start_paused = true)]
async fn one_message_is_always_possible_however_small_the_budget() {
    let mut stage = Stage::new().await;
    stage.limits.bytes_max = 1;
    send_large(&stage, 5, 1_000).await;
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!(
        (stage.processed().len(), stage.journal.most_at_once()),
        (5, 1)
    );
    play.end(&stage).await;
}

/// Promise 9: a budget that bodies of usual size do not reach changes nothing.
#[tokio::test(start_paused = true)]
async fn small_bodies_do_not_feel_the_budget() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 1_000;
    send_large(&stage, 2_000, 1_000).await;
    let play = stage.start();
    let begun = Instant::now();
    stage.is_empty().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        stage.journal.most_at_once() > 500,
        "{}",
        stage.journal.most_at_once()
    );
    play.end(&stage).await;
}
