//! Order within groups.

use std::collections::BTreeMap;

use fleet::dead_letter::replay::End;
use fleet::message::Message;

use crate::bench::{Bench, LONG, Letter};

fn letters(groups: u32, each: u32) -> Vec<Letter> {
    let numbers = (0..each).flat_map(|n| (0..groups).map(move |group| (group, n)));
    numbers
        .map(|(group, n)| Letter::in_group(&format!("{group}-{n}"), &format!("g{group}")))
        .collect()
}

/// Returns the events of each group in the order of their arrival.
fn by_group(messages: &[Message]) -> BTreeMap<String, Vec<u32>> {
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for message in messages {
        let event = &message.failure.as_deref().unwrap().key.id;
        let (_, number) = event.split_once('-').unwrap();
        let group = message.group_id.clone().unwrap();
        groups
            .entry(group)
            .or_default()
            .push(number.parse().unwrap());
    }
    groups
}

#[tokio::test]
async fn each_group_arrives_in_its_order_whatever_fails() {
    for faults in [
        "",
        "seed=3; partial share=0.5 rate=0.4 ops=SendMessageBatch",
        "seed=4; lost rate=0.4 ops=SendMessageBatch count=6",
        "seed=5; error rate=0.3 ops=SendMessageBatch,DeleteMessageBatch",
    ] {
        let bench = Bench::fifo(LONG).await;
        bench.bury(&letters(4, 9)).await;
        bench.faults(faults);
        let (id, report) = bench.replay().await;
        bench.sqs.clear_faults();
        assert!(matches!(report.end, End::Complete), "{faults}: {report:?}");
        let groups = by_group(&bench.arrived().await);
        assert_eq!(groups.len(), 4, "{faults}");
        for (group, numbers) in groups {
            assert_eq!(numbers, (0..9).collect::<Vec<_>>(), "{faults}: {group}");
        }
        assert_eq!(bench.left().await, 0, "{faults}");
        assert_eq!(bench.journal(id).await.counts.deleted, 36, "{faults}");
    }
}

#[tokio::test]
async fn what_is_replayed_twice_within_five_minutes_arrives_twice() {
    let bench = Bench::fifo(LONG).await;
    for _ in 0..2 {
        bench.bury(&letters(2, 3)).await;
        let (_, report) = bench.replay().await;
        assert_eq!(report.sent, 6, "{report:?}");
        assert_eq!(bench.arrived().await.len(), 6);
    }
}

#[tokio::test]
async fn behind_one_that_cannot_be_sent_its_group_waits_and_the_others_go() {
    let bench = Bench::fifo(LONG).await;
    let mut letters = letters(2, 4);
    let blocked = letters.iter_mut().find(|one| one.event == "0-1").unwrap();
    blocked.body = "x".repeat(20_000);
    bench.bury(&letters).await;
    bench.limit_size("10240").await;
    let (_, report) = bench.replay().await;
    assert_eq!(report.sent, 5, "{report:?}");
    let groups = by_group(&bench.arrived().await);
    assert_eq!(groups["g0"], [0]);
    assert_eq!(groups["g1"], [0, 1, 2, 3]);
    assert_eq!(bench.left().await, 3);
    bench.limit_size("1048576").await;
    let (_, report) = bench.replay().await;
    assert_eq!(report.sent, 3, "{report:?}");
    assert_eq!(by_group(&bench.arrived().await)["g0"], [1, 2, 3]);
}
