use std::sync::Arc;
use std::time::Duration;

use fleet::consume::Leases;
use fleet::queue::{Queue, QueueErrorKind};
use fleet::service::metrics::ConsumerMetrics;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};
use tokio_util::sync::CancellationToken;

use crate::meddler::{Call, Fate};
use crate::records::{counting, value};
use crate::stage::{Act, Stage};

const NOW: Duration = Duration::ZERO;

/// Leases that are kept, without a worker around them.
struct Keeper {
    leases: Arc<Leases>,
    stop: CancellationToken,
    keeping: JoinHandle<()>,
}

impl Keeper {
    fn of(stage: &Stage) -> Self {
        let metrics = ConsumerMetrics::new("jobs", &[]);
        let leases = Leases::new(stage.limits.visibility, metrics);
        let stop = CancellationToken::new();
        let pulse = stage
            .health
            .register_loop("leases", Duration::from_secs(30));
        let (kept, queue, until) = (leases.clone(), stage.leasing.clone(), stop.clone());
        Self {
            leases,
            stop,
            keeping: tokio::spawn(async move { kept.keep(&queue, &pulse, &until).await }),
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.keeping.await.unwrap();
    }
}

fn is_show(call: &Call) -> bool {
    matches!(call, Call::Show(_))
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_the_messages_of_long_handlers() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(11 * 3600);
    let play = stage.start();
    stage.send((0..12).map(|_| Act::Work(10 * 3600))).await;
    stage.journal.ended(12).await;
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.processed().len()), (12, 12));
    assert_eq!(
        stage.receiving.received().len(),
        12,
        "nobody else ever saw one"
    );
    let beats = stage.leasing.calls();
    // Twelve leases taken at once make two calls each half minute.
    assert!((2_380..2_420).contains(&beats.len()), "{}", beats.len());
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_cancels_its_handler_and_charges_nobody() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    // Somebody else deletes it: the next heartbeat learns that it is not ours.
    let receipt = stage.receiving.received()[0].receipt.clone();
    stage.queue.delete(&[receipt]).await.unwrap();
    let begun = Instant::now();
    stage.journal.ended(1).await;
    assert!(begun.elapsed() <= Duration::from_secs(31));
    assert_eq!((stage.processed().len(), stage.charged()), (0, 0));
    let snapshot = play.progress.snapshot();
    assert_eq!((snapshot.received, stage.settling.calls().len()), (1, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_retried_until_the_deadline_and_then_the_handler_is_cancelled() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    let begun = Instant::now();
    stage
        .leasing
        .rule(|_| Fate::Fails(QueueErrorKind::Throttled));
    stage.journal.ended(1).await;
    let lost_after = begun.elapsed().as_secs();
    assert!((59..=60).contains(&lost_after), "{lost_after}");
    let tries = stage.leasing.calls().len();
    assert!((25..=32).contains(&tries), "{tries}");

    stage.leasing.rule(|_| Fate::Passes);
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (1, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_fail_for_a_while_cost_nothing() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    stage
        .leasing
        .rule(|_| Fate::Fails(QueueErrorKind::Throttled));
    stage.leasing.was_asked(20, is_show).await;
    stage.leasing.rule(|_| Fate::Passes);
    stage.leasing.was_asked(25, is_show).await;
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_hangs_holds_up_no_settlement_for_longer_than_a_call_may_take() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    stage.leasing.rule(|_| Fate::Hangs);
    stage.leasing.was_asked(1, is_show).await;
    let finished = Instant::now();
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert!(
        finished.elapsed() <= Duration::from_secs(6),
        "{:?}",
        finished.elapsed()
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_under_a_heartbeat_holds_up_no_settlement() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let mut beats = 0;
    stage.leasing.rule(move |_| {
        beats += 1;
        match beats {
            1 => Fate::Panics,
            _ => Fate::Passes,
        }
    });
    let play = stage.start();
    stage.send([Act::Work(40)]).await;
    let begun = Instant::now();
    stage.is_empty().await;
    assert!(begun.elapsed() <= Duration::from_secs(41));
    assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
    assert_eq!(stage.leasing.calls().len(), 2, "the lease was extended");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_all_hang_lose_their_leases_on_time() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 200;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send((0..200).map(|_| Act::Wait)).await;
    stage.journal.started(200).await;
    let begun = Instant::now();
    stage.leasing.rule(|_| Fate::Hangs);
    stage.leasing.was_asked(8, is_show).await;
    advance(Duration::from_secs(1)).await;
    assert_eq!(stage.leasing.calls().len(), 8, "no more are under way");
    stage.journal.ended(200).await;
    let lost_after = begun.elapsed();
    assert!(lost_after <= Duration::from_secs(61), "{lost_after:?}");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_during_the_work_only_hands_its_newer_receipt_over() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    let old = stage.receiving.received()[0].receipt.clone();
    stage
        .queue
        .change_visibility(&[(old.clone(), NOW)])
        .await
        .unwrap();
    let received = stage.receiving.has_received(2).await;
    assert_ne!(received[1].receipt, old);
    assert_eq!(received[1].receive_count, 2);
    // The place of the second delivery is free again.
    advance(Duration::from_millis(1)).await;
    assert_eq!(play.progress.snapshot().received, 1);
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
    let snapshot = play.progress.snapshot();
    assert_eq!(
        (snapshot.received, snapshot.settled),
        (1, 1),
        "a drain sees its end"
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn work_does_not_start_with_less_than_half_a_lease() {
    let mut stage = Stage::new().await;
    // The receive takes longer than the queue's visibility timeout allows for.
    stage.limits.visibility = Duration::from_secs(20);
    stage.limits.receive_wait = Duration::from_secs(20);
    let play = stage.start();
    stage
        .receiving
        .was_asked(1, |call| matches!(call, Call::Receive(_)))
        .await;
    advance(Duration::from_secs(15)).await;
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    let beats = stage.leasing.calls();
    assert_eq!(beats, [Call::Show(vec![Duration::from_secs(20)])]);
    assert_eq!(stage.journal.runs(), 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn many_leases_share_calls_of_ten() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 100;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    stage.send((0..100).map(|_| Act::Work(45))).await;
    stage.journal.ended(100).await;
    stage.is_empty().await;
    let beats = stage.leasing.calls();
    assert!((10..=14).contains(&beats.len()), "{}", beats.len());
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_extension_sqs_failed_by_its_own_fault_is_extended_the_next_time() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    let mut is_first = true;
    stage
        .leasing
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => Fate::FailsOne("InternalError", false),
            false => Fate::Passes,
        });
    stage.send([Act::Work(100)]).await;
    stage.is_empty().await;
    assert_eq!(stage.receiving.received().len(), 1, "nobody else saw it");
    assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn extensions_are_counted_by_what_they_came_to() {
    let (page, _guard) = counting();
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    let play = stage.start();
    // Three leases share the first two calls; the third is for the one that failed again.
    let mut calls = 0;
    stage.leasing.rule(move |_| {
        calls += 1;
        match calls {
            1 => Fate::Fails(QueueErrorKind::Throttled),
            2 => Fate::FailsOne("InternalError", false),
            _ => Fate::FailsOne("ReceiptHandleIsInvalid", true),
        }
    });
    stage.send((0..3).map(|_| Act::Wait)).await;
    stage.leasing.was_asked(3, is_show).await;
    stage.journal.ended(1).await;
    stage.gate.add_permits(3);
    stage.is_empty().await;
    play.end(&stage).await;
    let page = page.render();
    let extensions = |result: &str| {
        let name = format!("fleet_lease_extensions_total{{queue=\"jobs\",result=\"{result}\"}}");
        value(&page, &name)
    };
    assert_eq!((extensions("extended"), extensions("failed")), (2.0, 4.0));
    assert_eq!(value(&page, "fleet_leases_lost_total"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_extension_that_hangs_learns_at_the_deadline_that_the_lease_is_lost() {
    let stage = Stage::new().await;
    let keeper = Keeper::of(&stage);
    stage.send([Act::Succeed]).await;
    let sent = Instant::now();
    let message = stage.queue.receive(1, NOW).await.unwrap().remove(0);
    stage.leasing.rule(move |_| match sent.elapsed().as_secs() {
        ..57 => Fate::Fails(QueueErrorKind::Throttled),
        _ => Fate::Hangs,
    });
    let lease = keeper.leases.hold(&message, sent).unwrap();
    stage.leasing.was_asked(2, is_show).await;
    assert!(lease.confirm().await.is_err());
    assert_eq!(sent.elapsed().as_secs(), 60);
    // Once a second, and not as fast as SQS refuses.
    let tries = stage.leasing.calls().len();
    assert!((27..=29).contains(&tries), "{tries}");
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lease_was_dropped_can_be_taken_anew() {
    let stage = Stage::new().await;
    let keeper = Keeper::of(&stage);
    stage.send([Act::Succeed]).await;
    let sent = Instant::now();
    let message = stage.queue.receive(1, NOW).await.unwrap().remove(0);
    let lease = keeper.leases.hold(&message, sent).unwrap();
    assert!(keeper.leases.hold(&message, sent).is_none(), "it is held");
    drop(lease);
    assert!(keeper.leases.hold(&message, sent).is_some());
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_kept_for_ever_for_a_handler_that_cannot_be_cancelled() {
    let stage = Stage::new().await;
    let keeper = Keeper::of(&stage);
    stage.send([Act::Succeed]).await;
    let sent = Instant::now();
    let message = stage.queue.receive(1, NOW).await.unwrap().remove(0);
    let mut lease = keeper.leases.hold(&message, sent).unwrap();
    lease.keep_until(sent + Duration::from_secs(300));
    lease.lost().await;
    let kept = sent.elapsed().as_secs();
    assert!((300..=360).contains(&kept), "{kept}");
    keeper.end().await;
}
