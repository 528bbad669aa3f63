use std::collections::BTreeMap;
use std::time::Duration;

use fleet::message::{FailureClass, Message};
use fleet::queue::{Queue, QueueErrorKind};
use tokio::time::Instant;

use crate::meddler::Fate;
use crate::outages::pass;
use crate::stage::{Act, Play, Stage};

const OUTAGE: Duration = Duration::from_secs(60);
const RESUMES_WITHIN: Duration = Duration::from_secs(5);

/// What is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    Database,
    Sqs,
    Downstream,
}

impl Away {
    fn set(self, stage: &Stage, is_away: bool) {
        match self {
            Self::Database => stage.store.set_down(is_away),
            Self::Downstream => stage.journal.set_down("smtp", is_away),
            Self::Sqs => {
                let clients = [
                    &stage.receiving,
                    &stage.settling,
                    &stage.leasing,
                    &stage.burying,
                ];
                for client in clients {
                    client.rule(move |_| match is_away {
                        true => Fate::Fails(QueueErrorKind::Unreachable),
                        false => Fate::Passes,
                    });
                }
            }
        }
    }
}

/// Several processes on one queue.
struct Fleet {
    stages: Vec<Stage>,
    plays: Vec<Play>,
}

impl Fleet {
    async fn start(processes: usize) -> Self {
        let first = Stage::new().await;
        let mut stages: Vec<_> = (1..processes).map(|_| first.beside()).collect();
        stages.insert(0, first);
        let plays = stages.iter().map(Stage::start).collect();
        Self { stages, plays }
    }

    fn first(&self) -> &Stage {
        &self.stages[0]
    }

    /// Sends a message that needs everything, every half a second.
    async fn load(&self, prefix: &str, duration: Duration) {
        let end = Instant::now() + duration;
        let mut number = 0;
        while Instant::now() < end {
            let id = format!("{prefix} {number}");
            self.first().send_as(&id, Act::Call("smtp".into())).await;
            number += 1;
            pass(Duration::from_millis(500)).await;
        }
    }

    fn received(&self) -> Vec<Message> {
        let received = self.stages.iter().map(|stage| stage.receiving.received());
        received.flatten().collect()
    }

    fn receives_max(&self) -> u32 {
        let counts = self
            .received()
            .into_iter()
            .map(|message| message.receive_count);
        counts.max().unwrap_or(0)
    }

    async fn end(self) {
        for (play, stage) in self.plays.into_iter().zip(&self.stages) {
            play.end(stage).await;
        }
    }
}

/// Promise 7.
#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_dead_letters_nothing_and_costs_two_receives_and_flow_resumes_in_five_seconds()
 {
    for away in [Away::Database, Away::Sqs, Away::Downstream] {
        for processes in [1, 3] {
            let case = format!("{away:?}, {processes} processes");
            let fleet = Fleet::start(processes).await;
            fleet.load("before", Duration::from_secs(5)).await;
            fleet.stages.iter().for_each(|stage| away.set(stage, true));
            fleet.load("during", OUTAGE).await;
            let first = fleet.first();
            assert!(
                fleet.stages.iter().all(|stage| stage.health.live().ok),
                "{case}"
            );
            let done_before = first.processed().len();
            fleet.stages.iter().for_each(|stage| away.set(stage, false));
            let back = Instant::now();
            while first.processed().len() <= done_before + 10 {
                pass(Duration::from_millis(100)).await;
            }
            let resumed = back.elapsed();
            assert!(resumed <= RESUMES_WITHIN, "{case}: {resumed:?}");
            first.is_empty().await;
            assert_eq!(first.processed().len(), 130, "{case}");
            assert_eq!(
                (first.charged(), first.dead_count().await),
                (0, 0),
                "{case}"
            );
            let most = fleet.receives_max();
            let allowed = u32::try_from(processes).unwrap() + 1;
            assert!(most <= allowed, "{case}: {most} receives of a message");
            assert!(
                fleet
                    .plays
                    .iter()
                    .all(|play| play.progress.down().is_empty())
            );
            fleet.end().await;
        }
    }
}

/// Promise 7: the backlog at the begin of an outage is released once, however many there were in hand.
#[tokio::test(start_paused = true)]
async fn whoever_is_in_hand_when_a_dependency_goes_is_released_once_and_one_is_kept_as_the_probe() {
    let stage = Stage::new().await;
    stage.journal.set_down("smtp", true);
    let calls = (0..100).map(|_| Act::Call("smtp".into()));
    stage.send(calls).await;
    let play = stage.start();
    stage.journal.started(1).await;
    pass(Duration::from_millis(200)).await;
    assert_eq!(
        play.progress.down().into_iter().collect::<Vec<_>>(),
        ["smtp"]
    );
    pass(OUTAGE).await;
    let mut runs = BTreeMap::<String, usize>::new();
    for (id, _, _) in stage.journal.runs.borrow().iter() {
        *runs.entry(id.clone()).or_default() += 1;
    }
    let most = runs.values().max();
    assert!(most > Some(&20), "the probe has run all along: {runs:?}");
    let probes = runs.values().filter(|times| **times > 2).count();
    assert!(
        (1..=4).contains(&probes),
        "a quarter of the permits: {runs:?}"
    );

    stage.journal.set_down("smtp", false);
    let back = Instant::now();
    while stage.processed().len() < 20 {
        pass(Duration::from_millis(100)).await;
    }
    let took = back.elapsed();
    assert!(took <= RESUMES_WITHIN, "{took:?}");
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), 100);
    assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    let received = stage.receiving.received();
    assert!(received.iter().all(|message| message.receive_count <= 2));
    play.end(&stage).await;
}

/// Promise 7.
#[tokio::test(start_paused = true)]
async fn a_message_that_alone_finds_its_dependency_down_is_charged_from_the_third_time_while_others_flow()
 {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.journal.set_down("crm", true);
    stage.send_as("bad", Act::Call("crm".into())).await;
    let mut sent = 0;
    while stage.dead_count().await == 0 {
        stage
            .send_as(&sent.to_string(), Act::Call("smtp".into()))
            .await;
        sent += 1;
        pass(Duration::from_millis(250)).await;
        assert!(sent < 4_000, "it is never charged");
    }
    let (dead, failure) = stage.dead_letter().await;
    assert!(dead.body.contains("bad"));
    assert_eq!(failure.class, FailureClass::AttemptsExhausted);
    assert_eq!(failure.reason, "crm is unavailable to this message alone");
    assert_eq!(
        (failure.attempts, failure.receives),
        (5, 7),
        "the first two are free"
    );
    stage.is_empty().await;
    assert_eq!(stage.processed().len(), sent);
    let runs = stage.journal.runs.borrow().clone();
    let good: Vec<_> = runs.iter().filter(|(id, _, _)| id != "bad").collect();
    assert_eq!(good.len(), sent, "each ran once");
    let gaps = good.windows(2).map(|pair| pair[1].2 - pair[0].2);
    let longest = gaps.max().unwrap_or_default();
    assert!(
        longest <= RESUMES_WITHIN,
        "one bad message stopped the flow for {longest:?}"
    );
    play.end(&stage).await;
}

/// Promise 7: several bad messages stop the flow no longer than it takes to know it of each.
#[tokio::test(start_paused = true)]
async fn messages_with_a_fault_of_their_own_do_not_stop_the_others_for_long() {
    for concurrency in [1, 2, 16] {
        let mut stage = Stage::new().await;
        stage.limits.concurrency = concurrency;
        let play = stage.start();
        stage.journal.set_down("crm", true);
        for n in 0..8 {
            stage
                .send_as(&format!("bad {n}"), Act::Call("crm".into()))
                .await;
        }
        let begun = Instant::now();
        stage.send((0..100).map(|_| Act::Call("smtp".into()))).await;
        while stage.processed().len() < 100 {
            pass(Duration::from_secs(1)).await;
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1_800), "{concurrency}: {took:?}");
        stage.journal.set_down("crm", false);
        stage.is_empty().await;
        assert_eq!(
            stage.processed().len() + stage.dead_letters(0).await.len(),
            108
        );
        play.end(&stage).await;
    }
}

/// Promise 7: only who needed the dependency shows that it is back.
#[tokio::test(start_paused = true)]
async fn a_success_of_work_that_began_before_does_not_close_the_breaker() {
    let stage = Stage::new().await;
    let play = stage.start();
    let slow = (0..10).map(|n| Act::Work(2 * n));
    stage.send(slow).await;
    stage.journal.started(10).await;
    stage.journal.set_down("smtp", true);
    stage.send_as("probe", Act::Call("smtp".into())).await;
    stage.journal.started(11).await;
    for _ in 0..25 {
        pass(Duration::from_secs(1)).await;
        assert!(play.progress.down().contains("smtp"));
    }
    assert_eq!(stage.processed().len(), 10);
    let received = stage.receiving.received().len();
    assert_eq!(received, 11, "nothing was received for it");
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;
    assert_eq!(
        stage.receiving.received().len(),
        11,
        "the probe was received once"
    );
    play.end(&stage).await;
}

/// Promise 8.
#[tokio::test(start_paused = true)]
async fn a_shutdown_and_a_pause_end_the_wait_of_a_probe_and_give_it_back_at_once() {
    for pauses in [false, true] {
        let stage = Stage::new().await;
        let play = stage.start();
        stage.journal.set_down("smtp", true);
        stage.send([Act::Call("smtp".into())]).await;
        stage.journal.started(8).await;
        if pauses {
            stage.valve.shut(None);
            let is_visible = |counts: &fleet::queue::QueueAttributes| counts.visible == 1;
            let asked = Instant::now();
            stage.until("it is given back", is_visible).await;
            assert!(asked.elapsed() < Duration::from_secs(1));
            play.end(&stage).await;
        } else {
            // The long poll of the one that is let through has twenty seconds.
            let took = play.end(&stage).await;
            assert!(took <= Duration::from_secs(21), "{took:?}");
        }
        let counts = stage.queue.attributes().await.unwrap();
        assert_eq!((counts.visible, counts.in_flight), (1, 0));
        assert_eq!((stage.charged(), stage.dead_count().await), (0, 0));
    }
}

/// Promise 7: when the probe is gone, the next message takes its place.
#[tokio::test(start_paused = true)]
async fn a_probe_that_loses_its_lease_is_replaced() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.journal.set_down("smtp", true);
    stage.send([Act::Call("smtp".into())]).await;
    stage.journal.started(3).await;
    let fails = |_: &crate::meddler::Call| Fate::Fails(QueueErrorKind::Unreachable);
    stage.leasing.rule(fails);
    stage.receiving.rule(fails);
    pass(Duration::from_secs(70)).await;
    let runs = stage.journal.runs();
    pass(Duration::from_secs(30)).await;
    assert_eq!(stage.journal.runs(), runs, "nobody runs it without a lease");
    stage.leasing.rule(|_| Fate::Passes);
    stage.receiving.rule(|_| Fate::Passes);
    stage.journal.started(runs + 5).await;
    assert!(play.progress.down().contains("smtp"));
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;
    assert_eq!((stage.processed().len(), stage.charged()), (1, 0));
    assert_eq!(stage.receiving.received().len(), 2);
    play.end(&stage).await;
}

/// Promise 7: an outage of hours does not use up the receives after which SQS takes a message away.
#[tokio::test(start_paused = true)]
async fn an_outage_of_eight_hours_costs_a_message_few_receives() {
    let stage = Stage::new().await;
    let play = stage.start();
    stage.journal.set_down("smtp", true);
    stage
        .send([Act::Call("smtp".into()), Act::Call("smtp".into())])
        .await;
    stage.journal.started(3).await;
    let end = Instant::now() + Duration::from_secs(8 * 3600);
    while Instant::now() < end {
        stage.journal.started(stage.journal.runs() + 1).await;
    }
    stage.journal.set_down("smtp", false);
    stage.is_empty().await;
    let received = stage.receiving.received();
    let most = received.iter().map(|message| message.receive_count).max();
    assert!(most <= Some(25), "{most:?}");
    assert_eq!((stage.processed().len(), stage.charged()), (2, 0));
    play.end(&stage).await;
}
