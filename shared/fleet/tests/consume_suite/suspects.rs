//! Promise 2, honest attempts: what no process survived is charged, and nothing else that SQS counts.

use std::time::Duration;

use fleet::message::{EventKey, FailureClass, MessageId};
use fleet::queue::Queue as _;
use fleet::store::{Attempt, AttemptOutcome, Claim, Store as _};
use jiff::Timestamp;

use crate::stage::{Act, Stage, total};

/// Receives every message so often without a word in the ledger, as a process does that dies.
async fn receive_unnoticed(stage: &Stage, times: usize) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for _ in 0..times {
        ids.clear();
        let mut receipts = Vec::new();
        loop {
            let batch = stage.queue.receive(10, Duration::ZERO).await.unwrap();
            if batch.is_empty() {
                break;
            }
            for message in batch {
                ids.push(message.id);
                receipts.push((message.receipt, Duration::ZERO));
            }
        }
        for changes in receipts.chunks(10) {
            stage.queue.change_visibility(changes).await.unwrap();
        }
    }
    ids
}

/// Leaves the row of a process that died in the handler.
async fn die_in_handler(stage: &Stage, message_id: &MessageId, receive: u32) {
    let started = Attempt {
        consumer: "jobs".to_owned(),
        message_id: message_id.clone(),
        receive,
        receive_last: receive,
        key: Some(EventKey::new("/test", "0")),
        outcome: AttemptOutcome::Started,
        reason: "handler started".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    stage.store.record_attempts(&[started]).await.unwrap();
}

fn outcomes(stage: &Stage) -> Vec<(u32, AttemptOutcome)> {
    let rows = stage.store.attempts();
    rows.iter().map(|row| (row.receive, row.outcome)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_nothing_explains_is_free_and_the_next_one_is_on_record() {
    let stage = Stage::new().await;
    stage.send([Act::Wait]).await;
    receive_unnoticed(&stage, 3).await;
    let play = stage.start();
    stage.journal.started(1).await;
    assert_eq!(outcomes(&stage), [(4, AttemptOutcome::Started)]);
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert_eq!(stage.processed(), ["0"]);
    assert_eq!(outcomes(&stage), [(4, AttemptOutcome::Finished)]);
    assert_eq!(stage.journal.runs.borrow()[0].1, 1, "its first attempt");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn finished_work_that_comes_back_is_no_suspect_and_leaves_no_row() {
    let stage = Stage::new().await;
    stage.send([Act::Succeed]).await;
    receive_unnoticed(&stage, 3).await;
    let key = EventKey::new("/test", "0");
    let Claim::New(transaction) = stage.store.claim("jobs", &key).await.unwrap() else {
        panic!("nobody has claimed it before");
    };
    transaction.commit().await.unwrap();
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!(stage.journal.runs(), 0);
    assert_eq!(outcomes(&stage), []);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn what_no_process_survives_is_dead_lettered_with_its_history_and_not_run_again() {
    let stage = Stage::new().await;
    stage.send([Act::Succeed]).await;
    let ids = receive_unnoticed(&stage, 6).await;
    for receive in 2..=6 {
        die_in_handler(&stage, &ids[0], receive).await;
    }
    let play = stage.start();
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::CrashSuspect);
    assert_eq!(failure.reason, "the process did not survive its handler");
    assert_eq!((failure.attempts, failure.receives), (5, 7));
    let history: Vec<_> = failure.history.iter().map(|past| past.receive).collect();
    assert_eq!(history, [2, 3, 4, 5, 6]);
    assert_eq!(stage.journal.runs(), 0);
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_process_did_not_survive_run_one_at_a_time_beside_all_others() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 16;
    stage.send(std::iter::repeat_n(Act::Wait, 12)).await;
    for id in receive_unnoticed(&stage, 2).await {
        die_in_handler(&stage, &id, 2).await;
    }
    let play = stage.start();
    stage.journal.started(1).await;
    // Of those that wait some keep their permits, the others come back later.
    stage
        .until("most were given back", |counts| counts.in_flight <= 12)
        .await;
    for innocent in ["a", "b", "c"] {
        stage.send_as(innocent, Act::Succeed).await;
    }
    stage
        .until("the others are done", |counts| total(counts) == 12)
        .await;
    let mut processed = stage.processed();
    processed.sort();
    assert_eq!(processed, ["a", "b", "c"]);
    assert_eq!(stage.journal.runs(), 4, "three, and one of the suspects");
    let snapshot = play.progress.snapshot();
    let held = snapshot.received - snapshot.settled;
    assert!((2..=5).contains(&held), "one runs and few wait: {held}");

    stage.gate.add_permits(12);
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 15);
    assert_eq!(stage.dead_count().await, 0);
    assert_eq!(stage.journal.most_at_once(), 2);
    assert_eq!(stage.charged(), 0, "nobody is charged by waiting");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspect_whose_start_cannot_be_written_down_is_given_back() {
    let stage = Stage::new().await;
    stage.send([Act::Wait, Act::Wait]).await;
    for id in receive_unnoticed(&stage, 2).await {
        die_in_handler(&stage, &id, 2).await;
    }
    let play = stage.start();
    stage.journal.started(1).await;
    // The second waits for its turn, and finds the database gone when it comes.
    stage.store.set_down(true);
    stage.gate.add_permits(3);
    stage.journal.ended(1).await;
    stage
        .until("both wait for better times", |counts| counts.in_flight == 2)
        .await;
    assert_eq!(stage.journal.runs(), 1);
    stage.store.set_down(false);
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 2);
    assert_eq!(stage.charged(), 0);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn rows_that_an_outage_keeps_back_are_there_before_the_messages_come_again() {
    let stage = Stage::new().await;
    stage.send(std::iter::repeat_n(Act::Wait, 10)).await;
    let play = stage.start();
    stage.journal.started(10).await;
    stage.store.set_down(true);
    stage.gate.add_permits(20);
    stage.journal.ended(10).await;
    stage
        .until("all are released", |counts| counts.in_flight == 10)
        .await;
    assert_eq!(outcomes(&stage), []);
    stage.store.set_down(false);
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 10);
    // No receive is left unexplained, so nobody became a suspect.
    assert_eq!(
        outcomes(&stage),
        [(1, AttemptOutcome::Released); 10].to_vec()
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_an_outage_keeps_from_being_written_is_charged_when_it_is_over() {
    let stage = Stage::new().await;
    stage.send([Act::Wait, Act::SucceedAt(2)]).await;
    let play = stage.start();
    stage.journal.started(2).await;
    // The failure of the second was written. Its next one meets the outage.
    stage.store.set_down(true);
    stage.gate.add_permits(2);
    stage.journal.ended(2).await;
    stage.store.set_down(false);
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 2);
    assert_eq!(stage.charged(), 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn messages_given_back_at_a_shutdown_are_explained() {
    let mut stage = Stage::new().await;
    let play = stage.start();
    stage.receiving.was_asked(1, |_| true).await;
    stage.shutdown.request();
    stage.send([Act::Succeed, Act::Succeed]).await;
    play.running.await.unwrap();
    assert_eq!(
        outcomes(&stage),
        [(1, AttemptOutcome::Released)],
        "the receive under way brought the first"
    );
    stage.shutdown = fleet::service::shutdown::Shutdown::new(crate::stage::GRACE);
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 2);
    assert_eq!(outcomes(&stage), [(1, AttemptOutcome::Released)]);
    play.end(&stage).await;
}
