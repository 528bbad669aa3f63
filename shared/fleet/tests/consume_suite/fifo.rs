use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleet::message::{EventKey, FailureClass, Outgoing};
use fleet::queue::{QueueAttributes, QueueErrorKind};
use fleet::service::config::GroupPolicy;
use fleet::service::retry::Jitter;
use fleet::store::{AttemptOutcome, Store as _};
use fleet::{BatchError, BatchHandler, Envelope, HandlerError, Tx};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::meddler::Fate;
use crate::stage::{Act, GRACE, Job, Stage, message};

async fn stage() -> Stage {
    Stage::on("jobs.fifo").await
}

async fn halting() -> Stage {
    let mut stage = stage().await;
    stage.limits.group_policy = Some(GroupPolicy::Halt);
    stage
}

/// A message that is no event, in group `g`.
fn unreadable() -> Outgoing {
    Outgoing {
        deduplication_id: Some("unreadable".to_owned()),
        ..message("no event at all", &[])
    }
}

/// An event of a type that no handler knows, in group `g`.
fn unheard_of() -> Outgoing {
    Outgoing {
        deduplication_id: Some("unheard-of".to_owned()),
        ..message("{}", &[("type", "unheard.of")])
    }
}

impl Stage {
    /// Sends jobs to a group; their ids are its name and a number from 0.
    async fn send_all_to(&self, group: &str, acts: impl IntoIterator<Item = Act>) {
        for (number, act) in acts.into_iter().enumerate() {
            self.send_to(group, &format!("{group}{number}"), act).await;
        }
    }

    /// The ids of the runs so far.
    fn order(&self) -> Vec<String> {
        let runs = self.journal.runs.borrow();
        runs.iter().map(|(id, ..)| id.clone()).collect()
    }

    /// The rows of the ledger, by the message's place among those received first.
    fn rows(&self) -> Vec<AttemptOutcome> {
        let received = self.receiving.received();
        let place = |id| received.iter().position(|message| message.id == id);
        let mut rows = self.store.attempts();
        rows.sort_by_key(|row| (row.receive, place(row.message_id.clone())));
        rows.iter().map(|row| row.outcome).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_run_one_after_another_and_groups_beside_each_other() {
    let stage = stage().await;
    for group in ["a", "b", "c"] {
        stage
            .send_all_to(group, (0..4).map(|_| Act::Work(10)))
            .await;
    }
    let begun = Instant::now();
    let play = stage.start();
    stage.journal.ended(12).await;
    assert_eq!(begun.elapsed().as_secs(), 40);
    assert_eq!(stage.journal.most_at_once(), 3);
    let order = stage.order();
    for group in ["a", "b", "c"] {
        let of_group: Vec<_> = order.iter().filter(|id| id.starts_with(group)).collect();
        assert!(of_group.is_sorted() && of_group.len() == 4, "{order:?}");
    }
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (12, 0));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_keeps_its_lease_however_long_it_takes() {
    let mut stage = stage().await;
    stage.limits.handler_timeout = Duration::from_secs(3600);
    stage
        .send_all_to("g", (0..5).map(|_| Act::Work(1000)))
        .await;
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!(stage.order(), ["g0", "g1", "g2", "g3", "g4"]);
    assert_eq!(stage.receiving.received().len(), 5, "nobody else saw one");
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_id_is_only_a_tenant_on_a_standard_queue() {
    let stage = Stage::new().await;
    stage.send_all_to("g", (0..8).map(|_| Act::Work(10))).await;
    let play = stage.start();
    stage.is_empty().await;
    assert_eq!(stage.journal.most_at_once(), 8);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_message_that_comes_back_fall_with_it_and_are_not_charged() {
    for (act, outcome) in [
        (Act::SucceedAt(2), AttemptOutcome::Failed),
        (Act::Succeed, AttemptOutcome::TimedOut),
    ] {
        let stage = stage().await;
        let mut in_the_way = None;
        if outcome == AttemptOutcome::TimedOut {
            let key = EventKey::new("/test", "g1");
            in_the_way = Some(stage.store.claim("jobs", &key).await.unwrap());
        }
        let acts = [Act::Succeed, act, Act::Succeed, Act::Succeed];
        stage.send_all_to("g", acts).await;
        let play = stage.start();
        let back = |counts: &QueueAttributes| counts.visible == 2;
        stage.until("the tail is visible", back).await;
        assert_eq!(stage.order(), ["g0", "g1"]);
        let released = AttemptOutcome::Released;
        assert_eq!(stage.rows(), [outcome, released, released]);
        drop(in_the_way);
        stage.is_empty().await;
        let order = stage.order();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(order.last().unwrap(), "g3");
        assert_eq!(stage.processed().len(), 4);
        let charged = usize::from(outcome.is_charged());
        assert_eq!((stage.charged(), stage.dead_count().await), (charged, 0));
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_out_an_outage_behind_its_head() {
    let stage = stage().await;
    stage.journal.set_down("smtp", true);
    let acts = [Act::Call("smtp".into()), Act::Succeed, Act::Succeed];
    stage.send_all_to("g", acts).await;
    let play = stage.start();
    stage.journal.ended(10).await;
    assert!(stage.order().iter().all(|id| id == "g0"));
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;
    assert!(stage.order().is_sorted());
    assert_eq!(stage.processed(), ["g0", "g1", "g2"]);
    assert_eq!(
        stage.receiving.received().len(),
        3,
        "nothing was given back"
    );
    assert_eq!(stage.charged(), 0);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn the_head_waits_out_its_backoff_and_another_group_does_not() {
    let stage = stage().await;
    stage
        .send_all_to("a", [Act::RetryAfter(600), Act::Succeed])
        .await;
    let play = stage.start();
    stage.journal.ended(1).await;
    stage.send_all_to("b", [Act::Succeed, Act::Succeed]).await;
    stage.journal.ended(3).await;
    assert_eq!(stage.order(), ["a0", "b0", "b1"]);
    let first = stage.journal.runs.borrow()[0].2;
    stage.journal.started(4).await;
    assert_eq!(stage.order()[3], "a0");
    assert!(first.elapsed() >= Duration::from_secs(600));
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_when_its_head_is_dead() {
    for (act, class) in [
        (Some(Act::Reject), FailureClass::Permanent),
        (Some(Act::Panic), FailureClass::AttemptsExhausted),
        (None, FailureClass::Undecodable),
    ] {
        let stage = stage().await;
        match act {
            Some(act) => stage.send_to("g", "g0", act).await,
            None => stage.send_message(unreadable()).await,
        }
        stage.send_to("g", "g1", Act::Succeed).await;
        let play = stage.start();
        let (_, failure) = stage.dead_letter().await;
        assert_eq!(failure.class, class);
        stage.is_empty().await;
        assert_eq!(stage.processed(), ["g1"]);
        assert!(stage.order().is_sorted());
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_the_handler_of_an_unknown_type_until_its_grace_is_over() {
    let stage = stage().await;
    stage.send_message(unheard_of()).await;
    stage.send_to("g", "g1", Act::Succeed).await;
    let begun = Instant::now();
    let play = stage.start();
    let (_, failure) = stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::UnknownType);
    assert!(begun.elapsed() >= stage.limits.unknown_type_grace);
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (1, 0));
    assert!(stage.journal.runs.borrow()[0].2 - begun >= stage.limits.unknown_type_grace);
    play.end(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_halted_group_stands_still_until_its_head_succeeds() {
    for act in [
        Act::RejectWhile("bug".into()),
        Act::RetryWhile("bug".into()),
    ] {
        let stage = halting().await;
        stage.journal.set_down("bug", true);
        stage.send_all_to("g", [act.clone(), Act::Succeed]).await;
        stage.send_all_to("other", [Act::Succeed]).await;
        let play = stage.start();
        // Longer than the retries before it has failed for good.
        tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
        let order = stage.order();
        assert!(!order.contains(&"g1".to_owned()), "{order:?}");
        let tries = order.iter().filter(|id| *id == "g0").count();
        assert!(
            (40..60).contains(&tries),
            "about every five minutes: {tries}"
        );
        assert!(stage.charged() <= 5, "no more than there are attempts");
        assert_eq!(stage.dead_count().await, 0);

        stage.journal.set_down("bug", false);
        let repaired = Instant::now();
        stage.is_empty().await;
        assert!(repaired.elapsed() <= Duration::from_secs(301));
        assert_eq!(stage.processed(), ["g0", "g1", "other0"]);
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_halted_group_holds_back_what_cannot_be_read_and_whom_nobody_knows() {
    for bad in [unreadable(), unheard_of()] {
        let stage = halting().await;
        stage.send_message(bad).await;
        stage.send_to("g", "g1", Act::Succeed).await;
        let play = stage.start();
        tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
        assert_eq!((stage.journal.runs(), stage.dead_count().await), (0, 0));
        play.end(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_grace_the_head_is_cancelled_and_its_group_given_back() {
    let mut stage = stage().await;
    stage.limits.handler_timeout = Duration::from_secs(3600);
    stage
        .send_all_to("g", [Act::Succeed, Act::Wait, Act::Succeed])
        .await;
    let play = stage.start();
    stage.journal.started(2).await;
    let took = play.end(&stage).await;
    assert!(took <= GRACE + Duration::from_secs(5), "{took:?}");
    assert_eq!(stage.order(), ["g0", "g1"]);
    assert_eq!(
        (stage.processed(), stage.charged()),
        (vec!["g0".to_owned()], 0)
    );
    let both = |counts: &QueueAttributes| counts.visible == 2;
    stage.until("both are visible", both).await;
    assert_eq!(stage.rows(), [AttemptOutcome::Released; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_lease_is_lost_takes_its_group_along() {
    let mut stage = stage().await;
    stage.limits.handler_timeout = Duration::from_secs(600);
    stage
        .send_all_to("g", [Act::Wait, Act::Succeed, Act::Succeed])
        .await;
    let play = stage.start();
    stage.journal.started(1).await;
    stage
        .leasing
        .rule(|_| Fate::Fails(QueueErrorKind::Throttled));
    stage.journal.ended(1).await;
    assert!(stage.order().iter().all(|id| id == "g0"));
    stage.leasing.rule(|_| Fate::Passes);
    stage.gate.add_permits(1);
    stage.is_empty().await;
    assert_eq!(stage.order(), ["g0", "g0", "g1", "g2"]);
    assert_eq!((stage.processed().len(), stage.charged()), (3, 0));
    play.end(&stage).await;
}

/// Notes the ids of each batch, and fails a batch that holds a job with an act other than success.
struct Batching {
    batches: Arc<watch::Sender<Vec<Vec<String>>>>,
    gate: Arc<Semaphore>,
}

impl BatchHandler for Batching {
    type Event = Job;

    async fn handle(&self, events: &[Envelope<Job>], _: &mut Tx<'_>) -> Result<(), BatchError> {
        let ids = events.iter().map(|event| event.key.id.clone()).collect();
        self.batches.send_modify(|batches| batches.push(ids));
        self.gate.acquire().await.unwrap().forget();
        match events
            .iter()
            .position(|event| matches!(event.data.act, Act::Reject))
        {
            Some(index) => Err(BatchError::reject(
                index,
                HandlerError::permanent("no customer"),
            )),
            None => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_one_message_of_a_group_and_goes_across_groups() {
    let stage = stage().await;
    let batches: Arc<watch::Sender<Vec<Vec<String>>>> = Arc::default();
    let handler = Batching {
        batches: Arc::clone(&batches),
        gate: Arc::clone(&stage.gate),
    };
    for group in ["a", "b", "c"] {
        let acts = [Act::Succeed, Act::Reject, Act::Succeed, Act::Succeed];
        stage.send_all_to(group, acts).await;
    }
    let play = stage.start_with(|consumer| consumer.batch_handler(handler));
    stage.receiving.has_received(12).await;
    stage.gate.add_permits(100);
    stage.dead_letters(3).await;
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 9);
    let batches = batches.borrow().clone();
    for batch in &batches {
        let groups: BTreeSet<_> = batch.iter().map(|id| &id[..1]).collect();
        assert_eq!(groups.len(), batch.len(), "{batches:?}");
    }
    for group in ["a", "b", "c"] {
        let of_group = batches.iter().flatten().filter(|id| id.starts_with(group));
        assert!(of_group.is_sorted(), "{batches:?}");
    }
    let widest = batches.iter().map(Vec::len).max();
    assert_eq!(widest, Some(3), "{batches:?}");
    play.end(&stage).await;
}

/// What a job of a storm does, and whether it has an effect in the end.
fn act_of(roll: u64) -> (Act, bool) {
    match roll {
        0..50 => (Act::Succeed, true),
        50..60 => (Act::Work(20), true),
        60..70 => (Act::SucceedAt(2), true),
        70..75 => (Act::SucceedAt(4), true),
        75..80 => (Act::Call("smtp".into()), true),
        80..90 => (Act::Reject, false),
        90..95 => (Act::Panic, false),
        _ => (Act::Retry, false),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_each_group_has_its_effects_once_and_in_order() {
    for seed in 0..20 {
        let stage = stage().await;
        let jitter = Jitter::seeded(seed);
        let roll = |sides: u64| {
            let point = jitter.up_to(Duration::from_millis(sides)).as_millis();
            u64::try_from(point).unwrap().min(sides - 1)
        };
        let (mut sent, mut with_effect) = (BTreeMap::new(), BTreeSet::new());
        for number in 0..60 {
            let (group, (act, has_effect)) = (roll(6).to_string(), act_of(roll(100)));
            let id = format!("{number:02}");
            stage.send_to(&group, &id, act).await;
            if has_effect {
                with_effect.insert(id.clone());
            }
            sent.insert(id, group);
        }
        let mut upset = Jitter::seeded(seed + 1000);
        stage.settling.rule(move |_| meddle(&mut upset));
        stage.journal.set_down("smtp", true);
        let play = stage.start();
        stage.journal.ended(20).await;
        stage.journal.set_down("smtp", false);
        stage.is_empty().await;
        let mut latest: BTreeMap<&String, &String> = BTreeMap::new();
        let order = stage.order();
        for id in &order {
            let before = latest.insert(&sent[id], id);
            assert!(
                before <= Some(id),
                "seed {seed}: {id} after {before:?} in {order:?}"
            );
        }
        let processed: BTreeSet<_> = stage.processed().into_iter().collect();
        assert_eq!(processed, with_effect, "seed {seed}");
        play.end(&stage).await;
    }
}

/// Loses some acknowledgements, and some of their answers.
fn meddle(jitter: &mut Jitter) -> Fate {
    match jitter.up_to(Duration::from_millis(9)).as_millis() {
        0 => Fate::Fails(QueueErrorKind::Server),
        1 => Fate::LosesAnswer,
        2 => Fate::FailsOne("InternalError", false),
        _ => Fate::Passes,
    }
}
