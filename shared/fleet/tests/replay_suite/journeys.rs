//! Each message gets there, whatever happens on the way.

use fleet::dead_letter::replay::End;
use fleet::store::ReplayCounts;

use crate::bench::{Bench, LONG, Letter, SHORT, by_event, events, follow};

#[tokio::test]
async fn everything_arrives_once_with_its_history_and_leaves_the_dead_letter_queue() {
    let bench = Bench::standard(LONG).await;
    let letters = Letter::many(137);
    bench.bury(&letters).await;
    let (id, report) = bench.replay().await;
    assert!(matches!(report.end, End::Complete), "{report:?}");
    assert_eq!((report.sent, report.copies, report.finished), (137, 0, 0));
    assert!(report.kept.is_empty(), "{report:?}");
    let arrived = bench.arrived().await;
    let counts = by_event(&arrived);
    assert_eq!(
        counts
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>(),
        events(&letters)
    );
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert!(
        arrived
            .iter()
            .all(|one| one.failure.as_deref().unwrap().replay_no == 1)
    );
    assert_eq!(bench.left().await, 0);
    let counts = ReplayCounts {
        deleted: 137,
        ..ReplayCounts::default()
    };
    assert_eq!(bench.journal(id).await.counts, counts);
}

#[tokio::test]
async fn no_fault_of_sqs_loses_a_message_or_leaves_one_behind() {
    for (seed, faults) in [
        "lost rate=0.3 ops=SendMessageBatch count=8",
        "partial share=0.5 rate=0.5 ops=SendMessageBatch,DeleteMessageBatch",
        "error rate=0.3 ops=SendMessageBatch,DeleteMessageBatch,ReceiveMessage",
        "throttle rate=0.3",
        "lost rate=0.3 ops=DeleteMessageBatch count=8",
        "duplicate rate=0.3",
        "reset rate=0.1",
    ]
    .into_iter()
    .enumerate()
    {
        let bench = Bench::standard(LONG).await;
        let letters = Letter::many(60);
        bench.bury(&letters).await;
        bench.faults(&format!("seed={seed}; {faults}"));
        let (id, report) = bench.replay().await;
        bench.sqs.clear_faults();
        assert!(matches!(report.end, End::Complete), "{faults}: {report:?}");
        assert!(report.kept.is_empty(), "{faults}: {report:?}");
        let arrived = by_event(&bench.arrived().await);
        assert_eq!(
            arrived
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>(),
            events(&letters),
            "{faults}"
        );
        // Only a lost answer makes a send twice, and the inbox drops the second.
        if !faults.starts_with("lost")
            && !faults.starts_with("reset")
            && !faults.starts_with("duplicate")
        {
            assert!(
                arrived.values().all(|count| *count == 1),
                "{faults}: {arrived:?}"
            );
        }
        // What is handed out once more after its delete is there until somebody deletes it again.
        if !faults.starts_with("duplicate") {
            assert_eq!(bench.left().await, 0, "{faults}");
        }
        let counts = bench.journal(id).await.counts;
        assert_eq!(
            (counts.planned, counts.sent, counts.deleted),
            (0, 0, 60),
            "{faults}"
        );
    }
}

#[tokio::test]
async fn what_the_destination_refuses_stays_and_is_named() {
    let bench = Bench::standard(LONG).await;
    let mut letters = Letter::many(12);
    // The destination takes small messages only.
    letters[4].body = "x".repeat(20_000);
    bench.bury(&letters).await;
    bench.limit_size("10240").await;
    let (id, report) = bench.replay().await;
    assert!(matches!(report.end, End::Complete), "{report:?}");
    assert_eq!(report.sent, 11, "{report:?}");
    assert_eq!(report.kept.values().sum::<u64>(), 1, "{report:?}");
    assert_eq!(bench.left().await, 1);
    let counts = bench.journal(id).await.counts;
    assert_eq!((counts.planned, counts.deleted), (1, 11));

    // Once it takes larger ones, another replay sends what is left.
    bench.limit_size("1048576").await;
    let (second, report) = bench.replay().await;
    assert_eq!((report.sent, report.kept.len()), (1, 0), "{report:?}");
    assert_eq!(bench.left().await, 0);
    assert_eq!(bench.journal(id).await.counts.planned, 0);
    assert_eq!(bench.journal(second).await.counts.deleted, 1);
}

#[tokio::test]
async fn without_a_journal_nothing_is_sent_and_without_a_destination_nothing_is_deleted() {
    let bench = Bench::standard(SHORT).await;
    bench.bury(&Letter::many(5)).await;
    let (id, source) = (bench.begin().await, bench.source());
    bench
        .store
        .query("alter table fleet.replay_entries rename to elsewhere", &[])
        .await
        .unwrap();
    let report = follow(&bench.order(id, &source)).await;
    assert!(matches!(report.end, End::Trouble(_)), "{report:?}");
    assert_eq!((bench.left().await, bench.arrived().await.len()), (5, 0));
    bench
        .store
        .query("alter table fleet.elsewhere rename to replay_entries", &[])
        .await
        .unwrap();

    bench.faults("error ops=SendMessageBatch");
    let report = follow(&bench.order(id, &source)).await;
    assert!(matches!(report.end, End::Trouble(_)), "{report:?}");
    assert_eq!(bench.left().await, 5);
    bench.sqs.clear_faults();
    let report = follow(&bench.order(id, &source)).await;
    assert!(matches!(report.end, End::Complete), "{report:?}");
    assert_eq!((bench.left().await, bench.arrived().await.len()), (0, 5));
}
