use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet::message::BODY_BYTES_MAX;
use fleet::queue::{Queue, QueueErrorKind};
use fleet::relay::Relay;
use fleet::service::health::Health;
use fleet::service::retry::Jitter;
use fleet::store::Outbox;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Bench, FakeQueue, Trouble, event};

macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Bench::memory()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Bench::postgres().await).await;
            })*
        }
    };
}

on_both_stores! {
    rows_are_sent_as_cloud_events_and_marked,
    an_idle_relay_is_woken_by_a_commit,
    an_ordering_key_arrives_in_order,
    a_fifo_queue_gets_groups_and_deduplication_ids,
    a_queue_in_trouble_delays_nobody_else_and_doubles_nothing,
    a_message_that_sqs_refuses_is_parked_alone,
    a_request_that_sqs_refuses_parks_the_one_message_at_fault,
    a_message_larger_than_sqs_takes_is_parked_untried,
    three_relays_send_each_row_once,
    a_relay_that_is_stopped_leaves_no_claim_behind,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a relay for the destinations one and two.
    fn relay(outbox: &Arc<dyn Outbox>, queues: [&Arc<FakeQueue>; 2]) -> Self {
        let queues = queues.map(|queue| Arc::clone(queue) as Arc<dyn Queue>);
        let destinations: BTreeMap<_, _> = ["one", "two"]
            .map(str::to_owned)
            .into_iter()
            .zip(queues)
            .collect();
        let relay = Relay::new(Arc::clone(outbox), destinations, Jitter::seeded(7));
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = tokio::spawn(async move { relay.run(&Health::new(), stopping).await });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn waiting(bench: &Bench) -> Vec<(String, u64, u64)> {
    let stats = bench.outbox.stats().await.unwrap();
    stats
        .into_iter()
        .map(|of| (of.destination, of.pending, of.parked))
        .collect()
}

fn queues() -> [Arc<FakeQueue>; 2] {
    ["one", "two"].map(FakeQueue::new)
}

async fn rows_are_sent_as_cloud_events_and_marked(bench: Bench) {
    let [one, two] = queues();
    let events: Vec<_> = (0..25).map(|n| event("a.b", &n.to_string())).collect();
    bench.publish(&events).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(25).await;
    two.messages(25).await;
    relay.stop().await;
    assert_eq!(waiting(&bench).await, []);
    for queue in [one, two] {
        let ids: BTreeSet<_> = queue.sent_ids().into_iter().collect();
        assert_eq!((queue.sent().len(), ids.len()), (25, 25));
        let message = &queue.sent()[0];
        assert!(
            message.body.contains(r#""data":{"n":1.50}"#),
            "{}",
            message.body
        );
        assert_eq!(message.attributes.text("type"), Some("a.b"));
    }
}

async fn an_idle_relay_is_woken_by_a_commit(bench: Bench) {
    let [one, two] = queues();
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    for n in 1..=20 {
        bench.publish(&[event("only.one", &n.to_string())]).await;
        one.messages(n).await;
    }
    relay.stop().await;
    assert!(two.sent().is_empty());
}

async fn an_ordering_key_arrives_in_order(bench: Bench) {
    let [one, two] = queues();
    let events: Vec<_> = (0..60)
        .map(|n| event("a.b", &format!("{}-{:02}", n % 4, n / 4)).ordered_by(format!("k{}", n % 4)))
        .collect();
    bench.publish(&events).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(60).await;
    two.messages(60).await;
    relay.stop().await;
    for queue in [one, two] {
        assert_in_order(&queue.sent_ids());
    }
}

/// Ids are `key-number`, and numbers grow within a key.
fn assert_in_order(ids: &[String]) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for id in ids {
        let (key, number) = id.split_once('-').unwrap();
        let before = last.insert(key, number);
        assert!(
            before.is_none_or(|before| before < number),
            "{key}: {number} after {before:?}"
        );
    }
}

async fn a_fifo_queue_gets_groups_and_deduplication_ids(bench: Bench) {
    let (one, two) = (FakeQueue::new("one.fifo"), FakeQueue::new("two"));
    bench
        .publish(&[
            event("a.b", "1").ordered_by("customer 1"),
            event("a.b", "2"),
        ])
        .await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(2).await;
    two.messages(2).await;
    relay.stop().await;
    assert!(
        one.sent()
            .iter()
            .all(|m| m.group_id.is_some() && m.deduplication_id.is_some())
    );
    assert!(
        two.sent()
            .iter()
            .all(|m| m.group_id.is_none() && m.deduplication_id.is_none())
    );
}

async fn a_queue_in_trouble_delays_nobody_else_and_doubles_nothing(bench: Bench) {
    for (n, trouble) in [
        Trouble::Request(QueueErrorKind::Throttled, "RequestThrottled"),
        Trouble::Request(QueueErrorKind::NoSuchQueue, "QueueDoesNotExist"),
        Trouble::Request(QueueErrorKind::Refused, "KmsDisabled"),
        Trouble::Entry("", "KmsThrottled"),
    ]
    .into_iter()
    .enumerate()
    {
        let [one, two] = queues();
        one.set(trouble);
        let events: Vec<_> = (0..40)
            .map(|id| {
                let event = event("a.b", &format!("{n}-{id:02}"));
                if id % 2 == 0 {
                    event.ordered_by("k")
                } else {
                    event
                }
            })
            .collect();
        bench.publish(&events).await;
        let relay = Running::relay(&bench.outbox, [&one, &two]);
        two.messages(40).await;
        one.requests(3).await;
        assert!(one.sent().is_empty());
        one.set(Trouble::None);
        one.messages(40).await;
        relay.stop().await;
        assert_eq!(waiting(&bench).await, []);
        assert_eq!((one.sent().len(), two.sent().len()), (40, 40));
    }
}

async fn a_message_that_sqs_refuses_is_parked_alone(bench: Bench) {
    let [one, two] = queues();
    one.set(Trouble::Entry("bad", "InvalidMessageContents"));
    let events: Vec<_> = ["1", "bad", "2"].map(|id| event("a.b", id)).to_vec();
    bench.publish(&events).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(2).await;
    two.messages(3).await;
    relay.stop().await;
    assert_eq!(waiting(&bench).await, [("one".to_owned(), 0, 1)]);
}

async fn a_request_that_sqs_refuses_parks_the_one_message_at_fault(bench: Bench) {
    let [one, two] = queues();
    one.set(Trouble::RequestWith("bad", "InvalidParameterValue"));
    let ids = ["1", "2", "bad", "3"];
    bench.publish(&ids.map(|id| event("a.b", id))).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(3).await;
    two.messages(4).await;
    relay.stop().await;
    assert_eq!(one.sent_ids(), ["1", "2", "3"]);
    assert_eq!(waiting(&bench).await, [("one".to_owned(), 0, 1)]);
}

async fn a_message_larger_than_sqs_takes_is_parked_untried(bench: Bench) {
    let [one, two] = queues();
    let mut large = event("only.one", "large");
    large.data = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
    bench.publish(&[large, event("only.one", "small")]).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.messages(1).await;
    relay.stop().await;
    assert_eq!(one.sent_ids(), ["small"]);
    assert_eq!(waiting(&bench).await, [("one".to_owned(), 0, 1)]);
}

async fn three_relays_send_each_row_once(bench: Bench) {
    const ROWS: usize = 10_000;
    let [one, two] = queues();
    let relays = [(); 3].map(|()| Running::relay(&bench.outbox, [&one, &two]));
    for chunk in (0..ROWS).collect::<Vec<_>>().chunks(500) {
        // Every fifth row belongs to one of forty keys.
        let events: Vec<_> = chunk
            .iter()
            .map(|n| match n % 5 {
                0 => {
                    event("a.b", &format!("k{}-{n:06}", n % 200)).ordered_by((n % 200).to_string())
                }
                _ => event("a.b", &format!("f{n}-{n:06}")),
            })
            .collect();
        bench.publish(&events).await;
    }
    one.messages(ROWS).await;
    two.messages(ROWS).await;
    for relay in relays {
        relay.stop().await;
    }
    assert_eq!(waiting(&bench).await, []);
    for queue in [one, two] {
        let ids = queue.sent_ids();
        assert_eq!(ids.len(), ROWS);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ROWS);
        assert_in_order(&ids);
    }
}

async fn a_relay_that_is_stopped_leaves_no_claim_behind(bench: Bench) {
    let [one, two] = queues();
    let events: Vec<_> = (0..3_000)
        .map(|n| event("only.one", &n.to_string()))
        .collect();
    bench.publish(&events).await;
    let relay = Running::relay(&bench.outbox, [&one, &two]);
    one.requests(1).await;
    relay.stop().await;
    let sent = one.sent().len();
    let left = waiting(&bench)
        .await
        .first()
        .map_or(0, |(_, pending, _)| *pending);
    assert_eq!(sent + usize::try_from(left).unwrap(), 3_000);
}
