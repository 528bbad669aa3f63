use std::time::Duration;

use fleet::consume::Progress;
use fleet::queue::QueueErrorKind;
use tokio::time::{Instant, advance};

use crate::meddler::{Call, Fate};
use crate::stage::{Act, Stage};

/// Lets time pass while everybody else goes on.
pub(crate) async fn pass(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        advance(Duration::from_millis(100)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn is_level(progress: &Progress) -> bool {
    let snapshot = progress.snapshot();
    snapshot.received == snapshot.settled
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_database_charges_nobody_and_dead_letters_nothing() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..5).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    stage.store.set_down(true);
    for n in 5..105 {
        stage.send_as(&n.to_string(), Act::Succeed).await;
    }
    pass(Duration::from_secs(60)).await;
    assert!(!stage.health.ready().checks["database"].ok);
    stage.store.set_down(false);
    let back = Instant::now();
    stage.is_empty().await;
    assert!(
        back.elapsed() < Duration::from_secs(15),
        "{:?}",
        back.elapsed()
    );
    assert_eq!(stage.processed().len(), 105);
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    let received = stage.receiving.received();
    let most = received.iter().map(|message| message.receive_count).max();
    assert!(most <= Some(2), "two receives a message at most: {most:?}");
    assert!(stage.health.ready().checks["database"].ok);
    assert!(is_level(&play.progress));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_before_the_database_has_shown_itself() {
    let stage = Stage::new().await;
    stage.store.set_down(true);
    let play = stage.start();
    stage.send([Act::Succeed]).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(stage.receiving.calls(), []);
    stage.store.set_down(false);
    stage.is_empty().await;
    assert_eq!(stage.journal.runs(), 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_charged_for_its_time_while_the_database_is_gone_but_it_is_afterwards() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..16).map(|_| Act::Work(40))).await;
    stage.journal.started(16).await;
    stage.store.set_down(true);
    pass(Duration::from_secs(31)).await;
    assert!(!stage.health.ready().checks["database"].ok);
    stage.store.set_down(false);
    pass(Duration::from_secs(10)).await;
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    assert!(stage.health.ready().checks["database"].ok);
    let charged = |_: &_| stage.charged() >= 16;
    stage
        .until("they are charged for being slow", charged)
        .await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_charged_for_a_time_in_which_the_database_was_gone_and_came_back() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..15).map(|_| Act::Work(40))).await;
    stage.journal.started(15).await;
    stage.store.set_down(true);
    // Somebody else finds it out, long before their time is over.
    stage.send([Act::Succeed]).await;
    pass(Duration::from_secs(10)).await;
    assert!(!stage.health.ready().checks["database"].ok);
    stage.store.set_down(false);
    pass(Duration::from_secs(10)).await;
    assert!(stage.health.ready().checks["database"].ok);
    assert_eq!(stage.processed().len(), 1, "the others still run");
    pass(Duration::from_secs(15)).await;
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    let charged = |_: &_| stage.charged() >= 15;
    stage
        .until("they are charged for being slow", charged)
        .await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_is_no_success_and_is_done_again() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Wait]).await;
    stage.journal.started(1).await;
    stage.store.set_down(true);
    stage.gate.add_permits(2);
    stage.journal.ended(1).await;
    pass(Duration::from_secs(5)).await;
    assert_eq!(
        stage
            .settling
            .calls()
            .iter()
            .filter(|c| matches!(c, Call::Delete(_)))
            .count(),
        0
    );
    stage.store.set_down(false);
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (1, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_ledger_neither_adds_a_failure_nor_forgets_one() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::SucceedAt(2)]).await;
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.charged()), (2, 1));

    stage.send_as("unwritten", Act::Retry).await;
    stage.journal.started(3).await;
    stage.store.set_down(true);
    pass(Duration::from_secs(30)).await;
    let charged = stage.charged();
    assert!(charged <= 2, "{charged}");
    stage.store.set_down(false);
    let (_, failure) = stage.dead_letter().await;
    assert_eq!((failure.attempts, stage.charged()), (5, 6));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_is_not_stuck_when_its_probe_says_nothing() {
    let silent = [
        ("a duplicate", Act::Succeed, "done"),
        ("a timeout", Act::Work(40), "slow"),
        ("a panic", Act::Panic, "buggy"),
        ("contention", Act::Retry, "flaky"),
    ];
    for (what, act, id) in silent {
        let mut stage = Stage::new().await;
        stage.limits.attempts_max = 1;
        let play = stage.start();
        stage.send_as("done", Act::Succeed).await;
        stage.is_empty().await;

        stage.journal.set_down("smtp", true);
        stage.send_as("call", Act::Call("smtp".into())).await;
        stage.journal.started(2).await;
        stage.journal.set_down("smtp", false);
        for _ in 0..20 {
            stage.send_as(id, act.clone()).await;
        }
        for n in 0..20 {
            stage.send_as(&n.to_string(), Act::Succeed).await;
        }
        stage
            .send_message(crate::stage::message("no JSON", &[]))
            .await;
        stage.is_empty().await;
        assert_eq!(stage.processed().len(), 22, "{what}");
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_dependencies_that_are_down_in_turn_are_both_found_back() {
    let stage = Stage::new().await;
    let play = stage.start();
    for dependency in ["smtp", "crm"] {
        stage.journal.set_down(dependency, true);
    }
    let calls = (0..40).map(|n| Act::Call(["smtp", "crm"][n % 2].into()));
    stage.send(calls).await;
    pass(Duration::from_secs(30)).await;
    stage.journal.set_down("smtp", false);
    pass(Duration::from_secs(30)).await;
    stage.journal.set_down("crm", false);
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (40, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn receives_that_fail_together_count_once_and_flow_resumes_within_five_seconds() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 600;
    let play = stage.start();
    stage.send((0..2_000).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    let under_way = stage.receiving.calls().len();
    assert!(under_way > 200, "{under_way}");

    // All the long polls fail in the same moment, and everything for a minute more.
    stage.queue.set_down(true);
    pass(Duration::from_secs(80)).await;
    assert!(!stage.health.ready().checks["queue jobs"].ok);
    let tries = stage.receiving.calls().len() - under_way;
    assert!((20..200).contains(&tries), "{tries} tries in a minute");
    assert!(stage.health.live().ok, "never deaf, never dead");
    stage.queue.set_down(false);
    let back = Instant::now();
    stage.send_as("after", Act::Succeed).await;
    stage.journal.started(2_001).await;
    assert!(
        back.elapsed() <= Duration::from_secs(5),
        "{:?}",
        back.elapsed()
    );
    assert!(stage.health.ready().checks["queue jobs"].ok);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_gone_is_asked_for_ever() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage
        .receiving
        .rule(|_| Fate::Fails(QueueErrorKind::NoSuchQueue));
    stage.send([Act::Succeed]).await;
    pass(Duration::from_secs(600)).await;
    let ready = stage.health.ready();
    assert!(!ready.checks["queue jobs"].ok && stage.health.live().ok);
    stage.receiving.rule(|_| Fate::Passes);
    stage.is_empty().await;
    assert_eq!(stage.journal.runs(), 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_panics_costs_a_pause_and_nothing_else() {
    let stage = Stage::new().await;
    let mut panics = 5;
    stage.receiving.rule(move |_| {
        panics -= 1;
        if panics >= 0 {
            Fate::Panics
        } else {
            Fate::Passes
        }
    });
    let play = stage.start();
    stage.send((0..50).map(|_| Act::Succeed)).await;
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 50);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_hours_does_not_keep_the_breaker_from_looking() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(8 * 3600);
    let play = stage.start();
    stage.send_as("long", Act::Wait).await;
    stage.journal.started(1).await;
    stage.journal.set_down("smtp", true);
    stage.send((0..10).map(|_| Act::Call("smtp".into()))).await;
    pass(Duration::from_secs(60)).await;
    assert!(stage.journal.runs() > 10, "the probes go on");
    stage.journal.set_down("smtp", false);
    let back = Instant::now();
    while stage.processed().len() < 10 {
        pass(Duration::from_millis(100)).await;
    }
    let took = back.elapsed();
    assert!(took <= Duration::from_secs(300), "{took:?}");
    stage.gate.add_permits(1);
    stage.is_empty().await;
    play.end(&stage).await;
}
