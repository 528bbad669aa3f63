use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::queue::QueueErrorKind;
use tokio::time::{Instant, advance, timeout};

use crate::meddler::{Call, Fate};
use crate::stage::{Act, Stage};

fn deletes(calls: &[Call]) -> Vec<usize> {
    let deletes = calls.iter().filter_map(|call| match call {
        Call::Delete(count) => Some(*count),
        _ => None,
    });
    deletes.collect()
}

#[tokio::test(start_paused = true)]
async fn deletes_go_out_in_tens() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 100;
    let play = stage.start();
    stage.send((0..100).map(|_| Act::Wait)).await;
    stage.journal.started(100).await;
    stage.gate.add_permits(100);
    stage.is_empty().await;
    assert_eq!(deletes(&stage.settling.calls()), [10; 10]);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_single_delete_waits_for_company_no_longer_than_a_tenth_of_a_second() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    let done = Instant::now();
    stage.gate.add_permits(1);
    stage.settling.was_asked(1, |_| true).await;
    assert!(
        done.elapsed() <= Duration::from_millis(100),
        "{:?}",
        done.elapsed()
    );
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn deletes_that_follow_each_other_closely_share_a_request_whatever_went_out_before() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..12).map(|_| Act::Wait)).await;
    stage.journal.started(12).await;
    stage.gate.add_permits(10);
    stage.settling.was_asked(1, |_| true).await;
    for ended in [11, 12] {
        advance(Duration::from_millis(30)).await;
        stage.gate.add_permits(1);
        stage.journal.ended(ended).await;
    }
    stage.is_empty().await;
    assert_eq!(deletes(&stage.settling.calls()), [10, 2]);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_than_sixteen_requests_are_under_way() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 200;
    let play = stage.start();
    stage.settling.rule(|_| Fate::Takes(Duration::from_secs(5)));
    stage.send((0..200).map(|_| Act::Wait)).await;
    stage.journal.started(200).await;
    stage.gate.add_permits(200);
    stage.settling.was_asked(16, |_| true).await;
    advance(Duration::from_secs(1)).await;
    assert_eq!(deletes(&stage.settling.calls()), [10; 16]);
    stage.is_empty().await;
    assert_eq!(deletes(&stage.settling.calls()), [10; 20]);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_is_not_put_off_by_a_stream_of_deletes() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send_as("flaky", Act::SucceedAt(2)).await;
    stage.send((0..200).map(|_| Act::Work(0))).await;
    stage.journal.started(1).await;
    let failed = Instant::now();
    stage
        .settling
        .was_asked(1, |call| matches!(call, Call::Show(_)))
        .await;
    assert!(
        failed.elapsed() <= Duration::from_millis(100),
        "{:?}",
        failed.elapsed()
    );
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_entry_that_failed_is_sent_again() {
    let stage = Stage::new().await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .settling
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => Fate::FailsOne("InternalError", false),
            false => Fate::Passes,
        });
    stage.send((0..10).map(|_| Act::Wait)).await;
    stage.journal.started(10).await;
    stage.gate.add_permits(10);
    stage.is_empty().await;
    assert_eq!(deletes(&stage.settling.calls()), [10, 1]);
    assert_eq!(stage.receiving.received().len(), 10, "none came back");
    assert_eq!(stage.journal.runs(), 10);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_sqs_refuses_is_not_sent_again() {
    for (code, sender_fault) in [
        ("ReceiptHandleIsInvalid", true),
        ("MessageNotInflight", false),
        ("AccessDenied", true),
    ] {
        let stage = Stage::new().await;
        let play = stage.start();
        let mut is_first = true;
        stage
            .settling
            .rule(move |_| match std::mem::take(&mut is_first) {
                true => Fate::FailsOne(code, sender_fault),
                false => Fate::Passes,
            });
        stage.send([Act::Succeed]).await;
        stage.is_empty().await;
        // The message came back after its visibility timeout, and was only deleted then.
        assert_eq!(deletes(&stage.settling.calls()), [1, 1], "{code}");
        assert_eq!(stage.receiving.received().len(), 2, "{code}");
        assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_whose_answer_is_lost_is_sent_again_and_does_no_harm() {
    let stage = Stage::new().await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .settling
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => Fate::LosesAnswer,
            false => Fate::Passes,
        });
    stage.send((0..3).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    advance(Duration::from_secs(120)).await;
    assert_eq!(stage.journal.runs(), 3);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn while_sqs_takes_no_acknowledgements_nothing_grows() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 64;
    let play = stage.start();
    stage
        .settling
        .rule(|_| Fate::Fails(QueueErrorKind::Unreachable));
    stage.send((0..3_000).map(|_| Act::Succeed)).await;
    advance(Duration::from_secs(20)).await;
    for _ in 0..300 {
        advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
    }
    let received = stage.receiving.received().len();
    // Sixteen requests of ten, a channel of a thousand, and a permit each for the rest.
    assert!(received <= 16 * 10 + 1_000 + 64 + 20, "{received}");
    stage.settling.rule(|_| Fate::Passes);
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 3_000);
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_late_is_not_sent_for_the_message_may_be_somebody_elses() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(10);
    let play = stage.start();
    stage
        .settling
        .rule(|_| Fate::Fails(QueueErrorKind::Unreachable));
    stage.send([Act::RetryAfter(3_000)]).await;
    // It comes back by itself when its lease is over, charged once and then once more.
    stage.journal.started(2).await;
    stage.settling.rule(|_| Fate::Passes);
    stage.settling.was_asked(1, |_| true).await;
    let runs = stage.journal.runs.borrow().clone();
    let pause = (runs[1].2 - runs[0].2).as_secs();
    assert!((55..=65).contains(&pause), "{pause}");
    assert_eq!(runs[1].1, 2);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn no_delete_is_sent_after_its_lease() {
    let stage = Stage::new().await;
    let began = Instant::now();
    let last = Arc::new(Mutex::new(Duration::ZERO));
    let seen = Arc::clone(&last);
    stage.settling.rule(move |_| {
        *seen.lock().unwrap() = began.elapsed();
        Fate::Fails(QueueErrorKind::Unreachable)
    });
    let play = stage.start();
    stage.send([Act::Succeed]).await;
    stage.journal.ended(1).await;
    // Nobody receives it again: what is sent is sent for the first receive.
    stage
        .receiving
        .rule(|_| Fate::Fails(QueueErrorKind::Unreachable));
    let _ = timeout(Duration::from_secs(120), std::future::pending::<()>()).await;
    let last = *last.lock().unwrap();
    assert!((50..60).contains(&last.as_secs()), "{last:?}");
    play.end(&stage).await;
}
