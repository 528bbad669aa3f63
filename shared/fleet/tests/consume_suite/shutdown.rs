use std::time::Duration;

use fleet::queue::{Queue, QueueErrorKind};
use fleet::store::AttemptOutcome;
use tokio::time::{Instant, advance};

use crate::meddler::{Call, Fate};
use crate::stage::{Act, GRACE, Stage};

const TAIL: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_receive_under_way_is_waited_for_and_what_it_brings_is_given_back_at_once() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.receiving.was_asked(1, |_| true).await;
    stage.shutdown.request();
    advance(Duration::from_secs(10)).await;
    assert!(
        !play.running.is_finished(),
        "the long poll is still under way"
    );
    stage.send([Act::Succeed, Act::Succeed]).await;
    let took = play.end(&stage).await;
    assert!(took < Duration::from_secs(11), "{took:?}");
    let counts = stage.queue.attributes().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (2, 0));
    assert_eq!(stage.journal.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn handlers_finish_within_the_grace_and_their_acknowledgements_go_out_last() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..15).map(|n| Act::Work(n * 2))).await;
    stage.journal.started(15).await;
    let took = play.end(&stage).await;
    assert!(took < GRACE, "{took:?}");
    assert_eq!(stage.processed().len(), 15);
    let counts = stage.queue.attributes().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_done_when_the_grace_ends_is_interrupted_and_released_uncharged() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(3600);
    let play = stage.start();
    stage.send([Act::Wait, Act::Wait, Act::Work(20)]).await;
    stage.journal.started(3).await;
    let took = play.end(&stage).await;
    assert!(took >= GRACE && took <= GRACE + TAIL, "{took:?}");
    assert_eq!(
        (stage.processed(), stage.charged()),
        (vec!["2".to_owned()], 0)
    );
    let rows = stage.store.attempts();
    assert!(
        rows.iter()
            .all(|row| row.outcome == AttemptOutcome::Released)
    );
    let counts = stage.queue.attributes().await.unwrap();
    assert_eq!(
        (counts.visible, counts.in_flight),
        (2, 0),
        "visible at once"
    );

    // The next process starts with a clean slate.
    let next = Stage {
        shutdown: fleet::service::shutdown::Shutdown::new(GRACE),
        ..stage
    };
    let play = next.start();
    next.gate.add_permits(2);
    next.is_empty().await;
    let runs = next.journal.runs.borrow().clone();
    assert!(runs.iter().all(|(_, attempt, _)| *attempt == 1));
    assert_eq!(next.processed().len(), 3);
    play.end(&next).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_work_ends_with_its_long_poll() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.receiving.was_asked(1, |_| true).await;
    assert!(play.end(&stage).await <= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_got_to_its_first_receive_ends_at_once() {
    let stage = Stage::new().await;
    stage.store.set_down(true);
    let play = stage.start();
    advance(Duration::from_secs(10)).await;
    assert!(play.end(&stage).await <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_end_does_not_hold_the_process_beyond_its_tail() {
    let mut stage = Stage::new().await;
    stage.limits.handler_timeout = Duration::from_secs(3600);
    let play = stage.start();
    stage.send([Act::Wait, Act::Succeed]).await;
    stage.journal.ended(1).await;
    stage.settling.rule(|_| Fate::Hangs);
    stage.store.set_down(true);
    let took = play.end(&stage).await;
    assert!(took <= GRACE + TAIL + Duration::from_secs(1), "{took:?}");
    assert_eq!(stage.charged(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_settled_and_what_cannot_be_acknowledged_share_one_tail() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.settling.rule(|_| Fate::Hangs);
    stage.burying.rule(|_| Fate::Hangs);
    stage.send([Act::Succeed, Act::Reject]).await;
    stage.burying.was_asked(1, |_| true).await;
    stage.settling.was_asked(1, |_| true).await;
    let took = play.end(&stage).await;
    assert!(took <= GRACE + TAIL + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_fail_at_the_end_are_sent_again_while_there_is_time() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send((0..25).map(|_| Act::Wait)).await;
    stage.journal.started(16).await;
    let healed = Instant::now() + Duration::from_secs(15);
    stage.settling.rule(move |_| match Instant::now() < healed {
        true => Fate::Fails(QueueErrorKind::Unreachable),
        false => Fate::Passes,
    });
    stage.gate.add_permits(25);
    stage.journal.ended(25).await;
    let took = play.end(&stage).await;
    assert!(took < GRACE, "{took:?}");
    let counts = stage.queue.attributes().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_being_worked_on_is_not_given_away_by_a_late_receive() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Work(28)]).await;
    stage.journal.started(1).await;
    let receipt = stage.receiving.received()[0].receipt.clone();
    stage.receiving.was_asked(2, |_| true).await;
    stage.shutdown.request();
    // The receive under way brings the message of the running handler once more.
    stage
        .queue
        .change_visibility(&[(receipt, Duration::ZERO)])
        .await
        .unwrap();
    stage.receiving.has_received(2).await;
    play.end(&stage).await;
    let shows = stage.settling.calls();
    assert!(
        shows.iter().all(|call| !matches!(call, Call::Show(_))),
        "{shows:?}"
    );
    assert_eq!((stage.processed().len(), stage.journal.runs()), (1, 1));
    let counts = stage.queue.attributes().await.unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn twenty_shutdowns_under_load_leave_nothing_in_flight_and_do_nothing_twice() {
    let mut stage = Stage::new().await;
    stage.send((0..400).map(|n| Act::Work(n % 20))).await;
    let mut finished = 0;
    for n in 0..20 {
        let play = stage.start();
        advance(Duration::from_millis(137 * n)).await;
        stage.journal.started(finished + 1).await;
        let took = play.end(&stage).await;
        assert!(took <= GRACE + TAIL, "{took:?}");
        let counts = stage.queue.attributes().await.unwrap();
        assert_eq!(counts.in_flight, 0, "shutdown {n}");
        finished = stage.journal.runs();
        assert_eq!(stage.processed().len(), finished, "what has run is done");
        stage.shutdown = fleet::service::shutdown::Shutdown::new(GRACE);
    }
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.processed().len()), (400, 400));
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    play.end(&stage).await;
}
