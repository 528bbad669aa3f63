use std::sync::Arc;
use std::time::Duration;

use fleet::message::{EventKey, FailureClass};
use fleet::queue::{Queue as _, QueueAttributes};
use fleet::store::{Claim, Store};
use fleet::{BatchError, BatchHandler, Envelope, HandlerError, Tx};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::outages::pass;
use crate::stage::{Act, Job, Journal, Play, Stage, total};

/// The ids of the events of each call.
type Batches = Arc<watch::Sender<Vec<Vec<String>>>>;

/// Does what the jobs of a batch say; the first that fails fails them all.
struct Group {
    batches: Batches,
    gate: Arc<Semaphore>,
    /// Whether failures name their event.
    names_culprits: bool,
    journal: Arc<Journal>,
}

impl BatchHandler for Group {
    type Event = Job;
    const EVENTS_MAX: usize = 20;

    async fn handle(&self, events: &[Envelope<Job>], _: &mut Tx<'_>) -> Result<(), BatchError> {
        let ids = events.iter().map(|event| event.key.id.clone()).collect();
        self.batches.send_modify(|batches| batches.push(ids));
        for (index, event) in events.iter().enumerate() {
            let error = match &event.data.act {
                Act::Succeed | Act::Nothing => continue,
                Act::Wait => {
                    self.gate.acquire().await.unwrap().forget();
                    continue;
                }
                Act::Work(seconds) => {
                    let work = std::future::pending::<()>();
                    let _ = timeout(Duration::from_secs(*seconds), work).await;
                    continue;
                }
                Act::Panic => panic!("a bug of the handler"),
                Act::Reject => HandlerError::permanent("no customer"),
                Act::Call(dependency) if self.journal.is_down(dependency) => {
                    HandlerError::unavailable(dependency.clone())
                }
                Act::Call(_) => continue,
                _ => HandlerError::retryable("flaky"),
            };
            return Err(match self.names_culprits {
                true => BatchError::reject(index, error),
                false => error.into(),
            });
        }
        Ok(())
    }
}

struct Scene {
    stage: Stage,
    batches: Batches,
}

impl Scene {
    async fn new() -> Self {
        let mut stage = Stage::new().await;
        stage.limits.concurrency = 64;
        Self {
            stage,
            batches: Arc::default(),
        }
    }

    fn start(&self, names_culprits: bool) -> Play {
        let group = Group {
            batches: Arc::clone(&self.batches),
            gate: Arc::clone(&self.stage.gate),
            names_culprits,
            journal: Arc::clone(&self.stage.journal),
        };
        self.stage
            .start_with(|consumer| consumer.batch_handler(group))
    }

    /// Holds the committer until everything has been sent, so that it makes full batches of it.
    async fn send_behind_a_gate(&self, acts: impl IntoIterator<Item = Act>) {
        let ids = (0..).map(|id: usize| id.to_string());
        self.queue_up(ids.zip(acts)).await;
        self.stage.gate.add_permits(1);
    }

    /// Holds the committer, and sends what waits for it.
    async fn queue_up(&self, jobs: impl IntoIterator<Item = (String, Act)>) {
        self.stage.send_as("gate", Act::Wait).await;
        let mut batches = self.batches.subscribe();
        batches
            .wait_for(|batches| !batches.is_empty())
            .await
            .unwrap();
        let mut count = 1;
        for (id, act) in jobs {
            self.stage.send_as(&id, act).await;
            count += 1;
        }
        self.stage.receiving.has_received(count).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn sizes(&self) -> Vec<usize> {
        self.batches.borrow().iter().map(Vec::len).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn batches_grow_with_the_backlog_up_to_their_limit_and_nobody_waits_when_idle() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    scene.stage.send_as("alone", Act::Succeed).await;
    scene.stage.is_empty().await;
    scene
        .send_behind_a_gate((0..50).map(|_| Act::Succeed))
        .await;
    scene.stage.is_empty().await;
    assert_eq!(scene.sizes(), [1, 1, 20, 20, 10]);
    assert_eq!(scene.stage.processed().len(), 52);
    play.end(&scene.stage).await;
}

/// Takes a second for a batch, however many events it has.
struct Slow(Batches);

impl BatchHandler for Slow {
    type Event = Job;

    async fn handle(&self, events: &[Envelope<Job>], _: &mut Tx<'_>) -> Result<(), BatchError> {
        let ids = events.iter().map(|event| event.key.id.clone()).collect();
        self.0.send_modify(|batches| batches.push(ids));
        let work = std::future::pending::<()>();
        let _ = timeout(Duration::from_secs(1), work).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_a_thousand_is_worked_off_by_the_hundred() {
    let mut scene = Scene::new().await;
    scene.stage.limits.concurrency = 300;
    scene.stage.send((0..1_000).map(|_| Act::Succeed)).await;
    let batches = Arc::clone(&scene.batches);
    let play = scene
        .stage
        .start_with(|consumer| consumer.batch_handler(Slow(batches)));
    scene.stage.is_empty().await;
    let sizes = scene.sizes();
    let full = sizes.iter().filter(|size| **size == 100).count();
    assert!(full >= 8 && sizes.len() <= 13, "{sizes:?}");
    assert_eq!(scene.stage.processed().len(), 1_000);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_alone_waits_for_no_company() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    for _ in 0..3 {
        // The long poll is under way.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let sent = Instant::now();
        let before = scene.sizes().len();
        scene.stage.send_as(&before.to_string(), Act::Succeed).await;
        let mut batches = scene.batches.subscribe();
        let ran = batches.wait_for(|batches| batches.len() > before);
        ran.await.unwrap();
        assert_eq!(sent.elapsed(), Duration::ZERO);
    }
    assert_eq!(scene.sizes(), [1, 1, 1]);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_rejected_by_index_settles_alone_and_the_others_run_again_without_it() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    let acts = (0..20).map(|n| if n == 7 { Act::Reject } else { Act::Succeed });
    scene.send_behind_a_gate(acts).await;
    let (_, failure) = scene.stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::Permanent);
    assert_eq!(failure.key.id, "7");
    scene.stage.is_empty().await;
    assert_eq!(scene.sizes(), [1, 20, 19]);
    assert_eq!(
        (scene.stage.processed().len(), scene.stage.charged()),
        (20, 0)
    );
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_index_counts_without_what_was_done_before_and_without_second_copies() {
    let scene = Scene::new().await;
    let done = EventKey::new("/test", "done");
    let Claim::New(transaction) = scene.stage.store.claim("jobs", &done).await.unwrap() else {
        panic!("the key is new");
    };
    transaction.commit().await.unwrap();
    let play = scene.start(true);
    scene.stage.send_as("gate", Act::Wait).await;
    let mut batches = scene.batches.subscribe();
    batches
        .wait_for(|batches| !batches.is_empty())
        .await
        .unwrap();
    for (id, act) in [
        ("done", Act::Succeed),
        ("a", Act::Succeed),
        ("a", Act::Succeed),
        ("b", Act::Reject),
        ("c", Act::Succeed),
    ] {
        scene.stage.send_as(id, act).await;
    }
    scene.stage.receiving.has_received(6).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    scene.stage.gate.add_permits(1);
    let (_, failure) = scene.stage.dead_letter().await;
    assert_eq!(failure.key.id, "b");
    scene.stage.is_empty().await;
    let batches = scene.batches.borrow().clone();
    assert_eq!(batches[1..3], [vec!["a", "b", "c"], vec!["a", "c"]]);
    assert_eq!(scene.stage.processed(), ["a", "c", "done", "gate"]);
    assert_eq!(scene.stage.charged(), 0);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_without_a_culprit_is_bisected_and_only_who_fails_alone_is_charged() {
    for act in [Act::Panic, Act::Retry, Act::Work(40)] {
        let scene = Scene::new().await;
        let play = scene.start(false);
        let acts = (0..16).map(|n| if n == 5 { act.clone() } else { Act::Succeed });
        scene.send_behind_a_gate(acts).await;
        let (_, failure) = scene.stage.dead_letter().await;
        assert_eq!(failure.key.id, "5");
        assert_eq!(failure.class, FailureClass::AttemptsExhausted);
        scene.stage.is_empty().await;
        assert_eq!(
            (scene.stage.processed().len(), scene.stage.charged()),
            (16, 5)
        );
        // After its first charge it runs alone.
        let later: Vec<_> = scene.sizes().into_iter().rev().take(4).collect();
        assert_eq!(later, [1, 1, 1, 1], "{act:?}");
        play.end(&scene.stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_failed_before_runs_alone() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    scene.stage.send_as("flaky", Act::RetryAfter(30)).await;
    let mut batches = scene.batches.subscribe();
    batches
        .wait_for(|batches| batches.len() == 1)
        .await
        .unwrap();
    scene.stage.send((0..10).map(|_| Act::Work(29))).await;
    scene.stage.send_as("gate", Act::Wait).await;
    scene.stage.receiving.has_received(13).await;
    for n in 20..30 {
        scene.stage.send_as(&n.to_string(), Act::Succeed).await;
    }
    scene.stage.gate.add_permits(10);
    scene.stage.dead_letters(1).await;
    scene.stage.is_empty().await;
    let batches = scene.batches.borrow().clone();
    let with_flaky = batches
        .iter()
        .filter(|ids| ids.contains(&"flaky".to_owned()));
    assert!(with_flaky.clone().all(|ids| ids.len() == 1), "{batches:?}");
    assert_eq!(with_flaky.count(), 5);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_copy_in_the_batch_settles_after_the_commit() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    scene.stage.send_as("gate", Act::Wait).await;
    let mut batches = scene.batches.subscribe();
    batches
        .wait_for(|batches| !batches.is_empty())
        .await
        .unwrap();
    for _ in 0..3 {
        scene.stage.send_as("same", Act::Succeed).await;
    }
    scene.stage.receiving.has_received(4).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    scene.stage.gate.add_permits(1);
    scene.stage.is_empty().await;
    assert_eq!(scene.sizes(), [1, 1]);
    assert_eq!(play.progress.snapshot().duplicates, 2);
    assert_eq!(scene.stage.processed(), ["gate", "same"]);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_contended_key_is_released_with_delay_and_not_waited_for() {
    let scene = Scene::new().await;
    let Claim::New(other) = scene
        .stage
        .store
        .claim("jobs", &EventKey::new("/test", "3"))
        .await
        .unwrap()
    else {
        panic!("the key is new");
    };
    let play = scene.start(true);
    scene.stage.send((0..5).map(|_| Act::Succeed)).await;
    let four = |counts: &fleet::queue::QueueAttributes| crate::stage::total(counts) == 1;
    scene.stage.until("four are done", four).await;
    assert_eq!(scene.stage.processed(), ["0", "1", "2", "4"]);
    drop(other);
    scene.stage.is_empty().await;
    assert_eq!(
        (scene.stage.processed().len(), scene.stage.charged()),
        (5, 0)
    );
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_schema_never_reaches_the_batch() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    let bad = crate::stage::message("{}", &[("type", "job")]);
    scene.stage.send_message(bad).await;
    scene.stage.send([Act::Succeed]).await;
    let (_, failure) = scene.stage.dead_letter().await;
    assert_eq!(failure.class, FailureClass::Undecodable);
    assert_eq!(failure.event_type.as_deref(), Some("job"));
    scene.stage.is_empty().await;
    assert_eq!(scene.stage.processed(), ["0"]);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_releases_the_whole_batch_uncharged() {
    let scene = Scene::new().await;
    let play = scene.start(false);
    scene.stage.journal.set_down("smtp", true);
    scene
        .send_behind_a_gate((0..10).map(|n| match n {
            4 => Act::Call("smtp".into()),
            _ => Act::Succeed,
        }))
        .await;
    pass(Duration::from_millis(100)).await;
    scene.stage.journal.set_down("smtp", false);
    scene.stage.is_empty().await;
    assert_eq!(
        (scene.stage.processed().len(), scene.stage.charged()),
        (11, 0)
    );
    assert_eq!(scene.stage.dead_count().await, 0);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_not_charged_for_its_time_while_the_database_is_gone() {
    let scene = Scene::new().await;
    let play = scene.start(true);
    scene.stage.send([Act::Work(40)]).await;
    let mut batches = scene.batches.subscribe();
    let begun = batches.wait_for(|batches| !batches.is_empty()).await;
    drop(begun.unwrap());
    scene.stage.store.set_down(true);
    pass(Duration::from_secs(31)).await;
    assert!(!scene.stage.health.ready().checks["database"].ok);
    scene.stage.store.set_down(false);
    pass(Duration::from_secs(10)).await;
    assert_eq!(
        (scene.stage.charged(), scene.stage.dead_count().await),
        (0, 0)
    );
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_interrupted_at_the_end_of_the_grace_and_what_waits_is_given_back() {
    let mut scene = Scene::new().await;
    scene.stage.limits.handler_timeout = Duration::from_secs(3600);
    let play = scene.start(true);
    scene.stage.send_as("gate", Act::Wait).await;
    let mut batches = scene.batches.subscribe();
    batches
        .wait_for(|batches| !batches.is_empty())
        .await
        .unwrap();
    scene.stage.send((0..30).map(|_| Act::Succeed)).await;
    scene.stage.receiving.has_received(31).await;
    let took = play.end(&scene.stage).await;
    assert!(
        took <= crate::stage::GRACE + Duration::from_secs(5),
        "{took:?}"
    );
    assert_eq!((scene.sizes(), scene.stage.charged()), (vec![1], 0));
    scene
        .stage
        .until("all are visible", |counts| counts.visible == 31)
        .await;
}

/// Promise 7.
#[tokio::test(start_paused = true)]
async fn the_first_of_a_batch_that_finds_a_dependency_down_probes_it_alone_and_the_others_are_released()
 {
    let scene = Scene::new().await;
    let play = scene.start(false);
    scene.stage.journal.set_down("smtp", true);
    let calls = (0..20).map(|_| Act::Call("smtp".into()));
    scene.send_behind_a_gate(calls).await;
    pass(Duration::from_millis(100)).await;
    assert_eq!(scene.sizes()[..2], [1, 20]);
    pass(Duration::from_secs(60)).await;
    let sizes = scene.sizes();
    assert!(
        sizes.len() > 20 && sizes[2..].iter().all(|size| *size == 1),
        "{sizes:?}"
    );
    scene.stage.journal.set_down("smtp", false);
    scene.stage.is_empty().await;
    assert_eq!(scene.stage.processed().len(), 21);
    assert_eq!(
        (scene.stage.charged(), scene.stage.dead_count().await),
        (0, 0)
    );
    let received = scene.stage.receiving.received();
    assert!(received.iter().all(|message| message.receive_count <= 2));
    play.end(&scene.stage).await;
}

/// Promise 7.
#[tokio::test(start_paused = true)]
async fn an_event_that_always_spoils_its_batch_is_charged_alone_in_the_end() {
    let scene = Scene::new().await;
    let play = scene.start(false);
    scene.stage.journal.set_down("crm", true);
    scene.stage.send_as("bad", Act::Call("crm".into())).await;
    let mut sent = 0;
    while scene.stage.dead_count().await == 0 {
        scene.stage.send_as(&sent.to_string(), Act::Succeed).await;
        sent += 1;
        pass(Duration::from_millis(250)).await;
        assert!(sent < 4_000, "it is never charged");
    }
    let (_, failure) = scene.stage.dead_letter().await;
    assert_eq!(failure.key.id, "bad");
    assert_eq!(failure.reason, "crm is unavailable to this message alone");
    scene.stage.is_empty().await;
    assert_eq!(scene.stage.processed().len(), sent);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_copy_is_not_taken_for_done_when_somebody_else_holds_the_first() {
    let scene = Scene::new().await;
    let key = EventKey::new("/test", "a");
    let Claim::New(held) = scene.stage.store.claim("jobs", &key).await.unwrap() else {
        panic!("nobody has claimed it");
    };
    let play = scene.start(true);
    let jobs = ["a", "a", "b"].map(|id| (id.to_owned(), Act::Succeed));
    scene.queue_up(jobs).await;
    scene.stage.gate.add_permits(1);
    let two_are_left = |counts: &QueueAttributes| total(counts) == 2;
    scene.stage.until("two are left", two_are_left).await;
    assert_eq!(scene.stage.processed(), ["b", "gate"]);
    held.rollback().await;
    scene.stage.is_empty().await;
    assert_eq!(scene.stage.processed(), ["a", "b", "gate"]);
    play.end(&scene.stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_lease_is_lost_before_its_batch_begins_is_left_to_others() {
    let mut scene = Scene::new().await;
    scene.stage.limits.handler_timeout = Duration::from_secs(600);
    let play = scene.start(true);
    let jobs = ["a", "b"].map(|id| (id.to_owned(), Act::Succeed));
    scene.queue_up(jobs).await;
    // Somebody else deletes it, and the next heartbeat learns so.
    let received = scene.stage.receiving.received();
    let stolen = received
        .iter()
        .find(|message| message.body.contains("\"a\""))
        .unwrap();
    scene
        .stage
        .queue
        .delete(std::slice::from_ref(&stolen.receipt))
        .await
        .unwrap();
    scene.stage.leasing.was_asked(1, |_| true).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    scene.stage.gate.add_permits(1);
    scene.stage.is_empty().await;
    assert_eq!(scene.stage.processed(), ["b", "gate"]);
    assert_eq!((scene.sizes(), scene.stage.charged()), (vec![1, 1], 0));
    play.end(&scene.stage).await;
}
