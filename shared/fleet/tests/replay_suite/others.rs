//! Replays that were killed, and replays side by side.

use std::time::Duration;

use fleet::dead_letter::Death;
use fleet::dead_letter::replay::{Courier, End, Order, Parcel, Step};
use fleet::message::Outgoing;
use fleet::queue::Queue as _;
use fleet::service::retry::Jitter;
use fleet::store::{EntryState, PlannedEntry, ReplayState};
use tokio::time::Instant;

use crate::bench::{Bench, LONG, Letter, SHORT, by_event, follow};

#[tokio::test]
async fn two_replays_at_once_share_the_work() {
    let bench = Bench::standard(SHORT).await;
    bench.bury(&Letter::many(200)).await;
    let (one, other) = tokio::join!(bench.replay(), bench.replay());
    let arrived = by_event(&bench.arrived().await);
    assert_eq!(arrived.len(), 200);
    assert!(arrived.values().all(|count| *count == 1), "{arrived:?}");
    assert_eq!(one.1.sent + other.1.sent, 200);
    assert_eq!(bench.left().await, 0);
    let (one, other) = (bench.journal(one.0).await, bench.journal(other.0).await);
    assert_eq!(one.counts.deleted + other.counts.deleted, 200);
}

#[tokio::test]
async fn what_an_earlier_replay_had_sent_is_only_deleted_whoever_meets_it() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&Letter::many(6)).await;
    let first = bench.begin().await;
    let source = bench.source();
    let letters = source.receive(3, Duration::ZERO).await.unwrap();
    let entries: Vec<_> = letters.iter().map(|one| entry(&one.id.0)).collect();
    let name = bench.dead.name();
    bench
        .store
        .plan_entries(first, name, &entries)
        .await
        .unwrap();
    let sent: Vec<_> = letters[..2]
        .iter()
        .map(|one| (one.id.0.clone(), format!("sent-{}", one.id)))
        .collect();
    bench.store.mark_entries_sent(name, &sent).await.unwrap();
    let changes: Vec<_> = letters
        .iter()
        .map(|one| (one.receipt.clone(), Duration::ZERO))
        .collect();
    bench.dead.change_visibility(&changes).await.unwrap();
    bench
        .store
        .end_replay(first, ReplayState::Stopped, Some("a test"), None)
        .await
        .unwrap();

    let (second, report) = bench.replay().await;
    assert_eq!((report.sent, report.finished), (4, 2), "{report:?}");
    assert_eq!((bench.left().await, bench.arrived().await.len()), (0, 4));
    assert_eq!(bench.journal(first).await.counts.deleted, 2);
    assert_eq!(bench.journal(second).await.counts.deleted, 4);
}

#[tokio::test]
async fn what_a_killed_replay_still_hides_is_waited_for() {
    let bench = Bench::standard(SHORT).await;
    bench.bury(&Letter::many(4)).await;
    let (killed, source) = (bench.begin().await, bench.source());
    let letters = source.receive(10, Duration::ZERO).await.unwrap();
    let entries: Vec<_> = letters.iter().map(|one| entry(&one.id.0)).collect();
    let planned = bench
        .store
        .plan_entries(killed, bench.dead.name(), &entries);
    let planned = planned.await.unwrap();
    assert!(planned.iter().all(|one| one.state == EntryState::Planned));

    let waited = std::sync::atomic::AtomicBool::new(false);
    let see = |step: Step| {
        if matches!(step, Step::Waiting(_)) {
            waited.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let id = bench.begin().await;
    let order = bench.order(id, &source);
    let stop = tokio_util::sync::CancellationToken::new();
    let report = fleet::dead_letter::replay::run(&order, &stop, &see).await;
    assert!(matches!(report.end, End::Complete), "{report:?}");
    assert_eq!((report.sent, bench.left().await), (4, 0), "{report:?}");
    assert!(waited.into_inner());
    assert_eq!(bench.journal(killed).await.counts.planned, 0);
}

#[tokio::test]
async fn one_that_is_stopped_gives_back_what_it_holds_and_another_goes_on() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&Letter::many(300)).await;
    let (id, source) = (bench.begin().await, bench.source());
    let order = bench.order(id, &source);
    let stop = tokio_util::sync::CancellationToken::new();
    let see = |_: Step| stop.cancel();
    let report = fleet::dead_letter::replay::run(&order, &stop, &see).await;
    assert!(matches!(report.end, End::Stopped), "{report:?}");
    let attributes = bench.dead.attributes().await.unwrap();
    assert_eq!(attributes.in_flight, 0);
    assert_eq!(attributes.visible, 300 - report.sent);
    assert_eq!(bench.journal(id).await.counts.deleted, report.sent);
    let rest = follow(&Order { ..order }).await;
    assert_eq!((rest.sent, bench.left().await), (300 - report.sent, 0));
}

#[tokio::test]
async fn an_edited_message_is_sent_in_place_of_its_dead_letter() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&[Letter::new("mended")]).await;
    let (id, source) = (bench.begin().await, bench.source());
    let received_at = Instant::now();
    let letter = source
        .receive(1, Duration::ZERO)
        .await
        .unwrap()
        .pop()
        .unwrap();
    let death = Death::of(&letter, &bench.origin());
    let parcel = Parcel::edited(&letter, &death, Outgoing::new(r#"{"n":"better"}"#));
    let courier = Courier {
        replay: id,
        journal: &bench.store,
        source: &source,
        destination: &bench.queue,
        lease: LONG,
        jitter: Jitter::from_entropy(),
    };
    let (fates, ended) = courier.carry(vec![parcel], received_at).await;
    ended.unwrap();
    assert_eq!(fates, [fleet::dead_letter::replay::Carried::Sent]);
    assert_eq!(bench.arrived().await[0].body, r#"{"n":"better"}"#);
    assert_eq!(bench.left().await, 0);
    let edited = "select edited from fleet.replay_entries";
    let rows = bench.store.query(edited, &[]).await.unwrap();
    assert!(rows[0].get::<_, bool>("edited"));
}

#[tokio::test]
async fn what_was_being_edited_is_left_to_an_edit() {
    let bench = Bench::standard(SHORT).await;
    bench
        .bury(&[Letter::new("begun"), Letter::new("other")])
        .await;
    let (killed, source) = (bench.begin().await, bench.source());
    let letters = source.receive(10, Duration::ZERO).await.unwrap();
    let begun = letters.iter().find(|letter| letter.body.contains("begun"));
    let begun = &begun.expect("it is there").id.0;
    let entry = PlannedEntry {
        is_edited: true,
        ..entry(begun)
    };
    let queue = bench.dead.name();
    let planned = bench
        .store
        .plan_entries(killed, queue, std::slice::from_ref(&entry));
    planned.await.unwrap();
    let given_back: Vec<_> = letters
        .iter()
        .map(|one| (one.receipt.clone(), Duration::ZERO))
        .collect();
    bench.dead.change_visibility(&given_back).await.unwrap();
    bench
        .store
        .end_replay(killed, ReplayState::Stopped, Some("a test"), None)
        .await
        .unwrap();

    let (_, report) = bench.replay().await;
    assert_eq!((report.sent, bench.left().await), (1, 1), "{report:?}");
    assert_eq!(report.kept.values().sum::<u64>(), 1, "{report:?}");
    assert_eq!(bench.journal(killed).await.counts.planned, 1);

    let again = bench.begin().await;
    let planned = bench
        .store
        .plan_entries(again, queue, std::slice::from_ref(&entry));
    assert_eq!(planned.await.unwrap()[0].state, EntryState::Planned);
    assert_eq!(bench.journal(again).await.counts.planned, 1);
}

fn entry(message_id: &str) -> PlannedEntry {
    PlannedEntry {
        message_id: message_id.to_owned(),
        key: fleet::message::EventKey::new("/test", message_id),
        event_type: None,
        fingerprint: String::new(),
        content: None,
        died_as: String::new(),
        is_edited: false,
    }
}

#[tokio::test]
async fn what_somebody_looks_at_meanwhile_is_waited_for() {
    let bench = Bench::standard(SHORT).await;
    bench.bury(&Letter::many(9)).await;
    let source = bench.source();
    let looked_at = source.receive(4, Duration::ZERO).await.unwrap();
    let id = bench.begin().await;
    let order = Order {
        expected: 9,
        ..bench.order(id, &source)
    };
    let report = follow(&order).await;
    assert!(matches!(report.end, End::Complete), "{report:?}");
    assert!(!looked_at.is_empty());
    assert_eq!((report.sent, bench.left().await), (9, 0), "{report:?}");
}
