use std::time::Duration;

use fleet::message::FailureClass;
use fleet::store::AttemptOutcome;
use fleet::{Context, Done, Envelope, Handler, HandlerError};

use crate::meddler::Call;
use crate::stage::{Act, Job, Stage};

#[tokio::test(start_paused = true)]
async fn what_succeeds_is_committed_and_deleted() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Succeed, Act::Nothing, Act::Succeed]).await;
    stage.is_empty().await;
    assert_eq!(stage.processed(), ["0", "2"]);
    assert_eq!((stage.journal.runs(), stage.dead_count().await), (3, 0));
    let snapshot = play.progress.snapshot();
    assert_eq!((snapshot.received, snapshot.settled), (3, 3));
    assert!(
        stage.store.attempts().is_empty(),
        "the happy path writes nothing"
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_done_before_is_only_deleted() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send_as("same", Act::Succeed).await;
    stage.is_empty().await;
    stage.send_as("same", Act::Succeed).await;
    stage.is_empty().await;
    assert_eq!(stage.processed(), ["same"]);
    assert_eq!(play.progress.snapshot().duplicates, 1);
    assert_eq!(stage.dead_count().await, 0);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_backs_off_is_charged_and_the_last_attempt_dead_letters() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Retry]).await;
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::AttemptsExhausted);
    assert_eq!((failure.reason.as_str(), failure.attempts), ("flaky", 5));
    assert_eq!((failure.receives, failure.key.id.as_str()), (5, "0"));
    stage.is_empty().await;

    let runs = stage.journal.runs.borrow().clone();
    let attempts: Vec<_> = runs.iter().map(|(_, attempt, _)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    for (attempt, pair) in runs.windows(2).enumerate() {
        let pause = pair[1].2 - pair[0].2;
        let ceiling = Duration::from_secs(2 << attempt) + Duration::from_secs(1);
        assert!(pause <= ceiling, "{attempt}: {pause:?}");
    }
    assert_eq!(stage.charged(), 5);
    let recorded = stage.store.dead_letters();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].failure.reason, "flaky");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_say_when_it_wants_to_be_called_again() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::RetryAfter(3600)]).await;
    stage.journal.started(2).await;
    let runs = stage.journal.runs.borrow().clone();
    let pause = (runs[1].2 - runs[0].2).as_secs();
    assert!((3600..3602).contains(&pause), "{pause}");
    assert!(play.progress.snapshot().retry_waits || stage.journal.runs() > 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_at_a_later_attempt_is_done() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::SucceedAt(4)]).await;
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.charged()), (4, 3));
    assert_eq!((stage.processed().len(), stage.dead_count().await), (1, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_skips_all_retries() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Reject]).await;
    let (dead, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::Permanent);
    assert_eq!(failure.reason, "no customer");
    assert_eq!(failure.detail.as_deref(), Some("line 3"));
    assert_eq!(failure.event_type.as_deref(), Some("job"));
    assert_eq!((failure.attempts, failure.receives), (1, 1));
    assert!(dead.body.contains("reject"));
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.charged()), (1, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_captured_and_charged() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Panic, Act::Succeed]).await;
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.reason, "handler panicked");
    assert_eq!(failure.class, FailureClass::AttemptsExhausted);
    stage.is_empty().await;
    assert_eq!(stage.charged(), 5);
    assert_eq!(stage.processed(), ["1"], "its neighbour is unharmed");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_cancelled_and_charged() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.send([Act::Work(31), Act::Work(29)]).await;
    stage.journal.ended(2).await;
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.reason, "handler timed out");
    stage.is_empty().await;
    assert_eq!((stage.charged(), stage.processed().len()), (5, 1));
    let rows = stage.store.attempts();
    assert!(
        rows.iter()
            .all(|row| row.outcome == AttemptOutcome::TimedOut)
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_cancelled_is_charged_and_gives_its_place_back() {
    let mut stage = Stage::new().await;
    stage.limits.concurrency = 1;
    let play = stage.start();
    stage.send([Act::PanicWhenDropped]).await;
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.reason, "handler panicked");
    stage.send([Act::Succeed]).await;
    stage.is_empty().await;
    let snapshot = play.progress.snapshot();
    assert_eq!(snapshot.received, snapshot.settled);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_sent_stays_and_its_handler_runs_no_sixth_time() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.burying.rule({
        let mut refusals = 3;
        move |_| {
            refusals -= 1;
            match refusals {
                0.. => crate::meddler::Fate::Fails(fleet::queue::QueueErrorKind::Unreachable),
                _ => crate::meddler::Fate::Passes,
            }
        }
    });
    stage.send([Act::Retry]).await;
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::AttemptsExhausted);
    assert_eq!((failure.attempts, failure.receives), (5, 8));
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.charged()), (5, 5));
    assert_eq!(
        stage.dead_count().await,
        1,
        "received, not deleted by the test"
    );
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_confirmation_is_lost_may_come_twice_and_the_message_goes_once() {
    let stage = Stage::new().await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .burying
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => crate::meddler::Fate::LosesAnswer,
            false => crate::meddler::Fate::Passes,
        });
    stage.send([Act::Reject]).await;
    let dead = stage.dead_letters(2).await;
    let keys = dead.iter().map(|copy| &copy.failure.as_ref().unwrap().key);
    assert_eq!(keys.collect::<std::collections::BTreeSet<_>>().len(), 1);
    stage.is_empty().await;
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_sent_twice_to_a_fifo_queue_stands_there_once() {
    let stage = Stage::on("jobs.fifo").await;
    let play = stage.start();
    let mut is_first = true;
    stage
        .burying
        .rule(move |_| match std::mem::take(&mut is_first) {
            true => crate::meddler::Fate::LosesAnswer,
            false => crate::meddler::Fate::Passes,
        });
    stage.send([Act::Reject, Act::Succeed]).await;
    stage.is_empty().await;
    assert_eq!(stage.dead_count().await, 1);
    let (dead, failure) = stage.dead_letter().await;
    assert_eq!(dead.group_id.as_deref(), Some("g"));
    assert_eq!(failure.reason, "no customer");
    play.end(&stage).await;
}

/// Sends mails, say: what a rollback cannot undo.
struct Outside(crate::stage::Obedient);

impl Handler for Outside {
    type Event = Job;
    const OUTSIDE_EFFECT: bool = true;

    async fn handle(
        &self,
        event: Envelope<Job>,
        cx: &mut Context<'_>,
    ) -> Result<Done, HandlerError> {
        self.0.handle(event, cx).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_outside_the_database_is_not_repeated_for_a_second_copy() {
    let stage = Stage::new().await;
    let play = stage.start_with(|consumer| consumer.handler(Outside(stage.obedient())));
    for _ in 0..2 {
        stage.send_as("same", Act::Succeed).await;
        stage.is_empty().await;
    }
    assert_eq!(stage.journal.runs(), 1);
    assert_eq!(play.progress.snapshot().duplicates, 1);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_of_finished_work_meets_the_inbox_before_its_handler() {
    let stage = Stage::new().await;
    let play = stage.start();
    // The delete is lost on the way, three times over; then it is late, and given up.
    stage.settling.rule(|call| match call {
        Call::Delete(_) => crate::meddler::Fate::Fails(fleet::queue::QueueErrorKind::Unreachable),
        _ => crate::meddler::Fate::Passes,
    });
    stage.send([Act::Succeed]).await;
    stage.receiving.has_received(2).await;
    stage.settling.rule(|_| crate::meddler::Fate::Passes);
    stage.is_empty().await;
    assert_eq!((stage.journal.runs(), stage.processed().len()), (1, 1));
    play.end(&stage).await;
}
