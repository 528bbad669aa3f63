//! One suite for every store: what the fake promises, Postgres keeps, and the other way round.

use std::sync::Arc;
use std::time::Duration;

use fleet::message::{EventKey, Failure, FailureClass, MessageId};
use fleet::service::traces::TraceContext;
use fleet::store::{
    Attempt, AttemptOutcome, Claim, DeadLetter, History, KeyState, OutboxClaim, OutboxSettlement,
    Transaction,
};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::support::{Bench, event, key};

/// How long a call that has to wait is watched not returning.
const STILL_WAITING: Duration = Duration::from_millis(80);

macro_rules! conformance {
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

conformance! {
    a_committed_claim_is_a_duplicate_for_ever_after,
    a_claim_that_was_rolled_back_or_dropped_is_free_again,
    a_claim_waits_for_the_transaction_that_holds_the_key,
    a_claim_waits_no_longer_when_its_future_is_dropped,
    consumers_and_sources_have_keys_of_their_own,
    many_claims_say_what_became_of_each,
    many_claims_do_not_wait_for_anybody,
    many_claims_are_free_again_after_a_drop,
    a_history_counts_charged_attempts_and_finds_what_is_done,
    a_history_of_nothing_is_empty,
    only_what_no_process_survived_is_charged_without_an_outcome,
    the_latest_attempts_of_a_message_are_read_in_order,
    a_ledger_takes_whatever_text_a_message_had,
    a_dead_letter_recorded_twice_is_no_error,
    events_are_published_with_the_commit_and_not_without,
    an_event_published_twice_stands_once,
    an_event_that_nobody_wants_leaves_no_row,
    the_data_of_an_event_is_kept_to_the_letter,
    rows_that_are_claimed_are_passed_over_until_they_are_freed,
    settled_rows_are_gone_and_the_rest_comes_back,
    of_an_ordering_key_only_the_oldest_unsent_row_is_claimable,
    a_parked_row_halts_its_key_and_nobody_else,
    a_destination_has_its_rows_to_itself,
    every_ordering_key_has_its_turn,
    statistics_count_what_waits,
    a_commit_wakes_the_relay,
    a_probe_finds_the_store_well,
}

async fn claimed(bench: &Bench, id: &str) -> Box<dyn Transaction> {
    match bench.store.claim("billing", &key(id)).await.unwrap() {
        Claim::New(transaction) => transaction,
        Claim::Duplicate => panic!("{id} is a duplicate"),
    }
}

async fn is_duplicate(bench: &Bench, id: &str) -> bool {
    matches!(
        bench.store.claim("billing", &key(id)).await.unwrap(),
        Claim::Duplicate
    )
}

async fn a_committed_claim_is_a_duplicate_for_ever_after(bench: Bench) {
    claimed(&bench, "1").await.commit().await.unwrap();
    assert!(is_duplicate(&bench, "1").await);
    assert!(is_duplicate(&bench, "1").await);
    claimed(&bench, "2").await.commit().await.unwrap();
}

async fn a_claim_that_was_rolled_back_or_dropped_is_free_again(bench: Bench) {
    claimed(&bench, "1").await.rollback().await;
    drop(claimed(&bench, "1").await);
    claimed(&bench, "1").await.commit().await.unwrap();
    assert!(is_duplicate(&bench, "1").await);
}

async fn a_claim_waits_for_the_transaction_that_holds_the_key(bench: Bench) {
    for commits in [true, false] {
        let id = if commits { "committed" } else { "rolled back" };
        let holder = claimed(&bench, id).await;
        let store = Arc::clone(&bench.store);
        let mut waiting =
            tokio::spawn(async move { store.claim("billing", &key(id)).await.unwrap() });
        assert!(
            timeout(STILL_WAITING, &mut waiting).await.is_err(),
            "it did not wait"
        );
        if commits {
            holder.commit().await.unwrap();
        } else {
            holder.rollback().await;
        }
        match waiting.await.unwrap() {
            Claim::New(_) => assert!(!commits),
            Claim::Duplicate => assert!(commits),
        }
    }
}

async fn a_claim_waits_no_longer_when_its_future_is_dropped(bench: Bench) {
    let holder = claimed(&bench, "1").await;
    let wanted = key("1");
    let waiting = bench.store.claim("billing", &wanted);
    assert!(timeout(STILL_WAITING, waiting).await.is_err());
    holder.rollback().await;
    claimed(&bench, "1").await.commit().await.unwrap();
}

async fn consumers_and_sources_have_keys_of_their_own(bench: Bench) {
    claimed(&bench, "1").await.commit().await.unwrap();
    for (consumer, key) in [
        ("inventory", key("1")),
        ("billing", EventKey::new("/other", "1")),
    ] {
        let claim = bench.store.claim(consumer, &key).await.unwrap();
        assert!(matches!(claim, Claim::New(_)), "{consumer} {key}");
    }
}

async fn many_claims_say_what_became_of_each(bench: Bench) {
    use KeyState::{Contended, Duplicate, New};
    claimed(&bench, "done").await.commit().await.unwrap();
    let held = claimed(&bench, "held").await;
    let keys = ["new", "done", "held", "new", "another", "done"].map(key);
    let (transaction, states) = bench.store.claim_all("billing", &keys).await.unwrap();
    assert_eq!(
        states,
        [New, Duplicate, Contended, Duplicate, New, Duplicate]
    );
    transaction.commit().await.unwrap();
    held.rollback().await;
    let (transaction, states) = bench.store.claim_all("billing", &keys).await.unwrap();
    assert_eq!(
        states,
        [Duplicate, Duplicate, New, Duplicate, Duplicate, Duplicate]
    );
    transaction.rollback().await;
    let (_, states) = bench.store.claim_all("billing", &[]).await.unwrap();
    assert_eq!(states, []);
}

async fn many_claims_do_not_wait_for_anybody(bench: Bench) {
    let keys: Vec<_> = (0..40).map(|n| key(&n.to_string())).collect();
    let (first, states) = bench.store.claim_all("billing", &keys[..20]).await.unwrap();
    assert!(states.iter().all(|state| *state == KeyState::New));
    let (_second, states) = bench.store.claim_all("billing", &keys).await.unwrap();
    assert!(
        states[..20]
            .iter()
            .all(|state| *state == KeyState::Contended)
    );
    assert!(states[20..].iter().all(|state| *state == KeyState::New));
    first.rollback().await;
}

async fn many_claims_are_free_again_after_a_drop(bench: Bench) {
    let keys = ["1", "2"].map(key);
    drop(bench.store.claim_all("billing", &keys).await.unwrap());
    // A waiting claim, because a dropped transaction ends on its own time.
    claimed(&bench, "1").await.commit().await.unwrap();
    claimed(&bench, "2").await.commit().await.unwrap();
}

fn attempt(receive: u32, outcome: AttemptOutcome, second: i64) -> Attempt {
    Attempt {
        consumer: "billing".to_owned(),
        message_id: MessageId("m".to_owned()),
        receive,
        receive_last: receive,
        key: Some(key("1")),
        outcome,
        reason: "no customer".to_owned(),
        at: Timestamp::from_second(second).unwrap(),
    }
}

async fn a_history_counts_charged_attempts_and_finds_what_is_done(bench: Bench) {
    let rows = [
        attempt(1, AttemptOutcome::UnknownType, 100),
        attempt(2, AttemptOutcome::UnknownType, 50),
        attempt(3, AttemptOutcome::Failed, 60),
        attempt(4, AttemptOutcome::Released, 70),
        attempt(5, AttemptOutcome::Failed, 80),
        // The later word counts, within a call and between calls.
        attempt(5, AttemptOutcome::Unavailable, 80),
    ];
    bench.store.record_attempts(&rows).await.unwrap();
    bench
        .store
        .record_attempts(&[attempt(4, AttemptOutcome::TimedOut, 70)])
        .await
        .unwrap();
    bench.store.record_attempts(&[]).await.unwrap();
    let history = bench
        .store
        .history("billing", "m", 6, &key("1"))
        .await
        .unwrap();
    let unknown_since = Some(Timestamp::from_second(50).unwrap());
    assert_eq!(
        history,
        History {
            processed: false,
            charged: 2,
            explained: 5,
            unknown_since,
            unavailable: 1,
            unavailable_since: Some(Timestamp::from_second(80).unwrap()),
            ..History::default()
        }
    );

    let open = claimed(&bench, "1").await;
    assert!(
        !bench
            .store
            .history("billing", "m", 6, &key("1"))
            .await
            .unwrap()
            .processed
    );
    open.commit().await.unwrap();
    let history = bench
        .store
        .history("billing", "another copy", 2, &key("1"))
        .await
        .unwrap();
    assert_eq!(
        history,
        History {
            processed: true,
            ..History::default()
        }
    );
}

async fn only_what_no_process_survived_is_charged_without_an_outcome(bench: Bench) {
    let rows = [
        attempt(1, AttemptOutcome::Released, 10),
        // Two more receives came while the message was worked on.
        Attempt {
            receive_last: 4,
            ..attempt(2, AttemptOutcome::LeaseLost, 20)
        },
        attempt(6, AttemptOutcome::Started, 30),
        attempt(7, AttemptOutcome::Started, 40),
    ];
    bench.store.record_attempts(&rows).await.unwrap();
    bench
        .store
        .record_attempts(&[attempt(7, AttemptOutcome::Finished, 50)])
        .await
        .unwrap();
    let history = async |receive| {
        bench
            .store
            .history("billing", "m", receive, &key("1"))
            .await
            .unwrap()
    };
    // The receive of the row itself is under way.
    for (receive, explained, crashes, is_suspect) in [
        (1, 0, 0, false),
        (2, 1, 0, false),
        (4, 3, 0, false),
        (5, 4, 0, false),
        (6, 4, 0, true),
        (7, 5, 1, true),
        (8, 6, 1, true),
    ] {
        let history = history(receive).await;
        assert_eq!(history.explained, explained, "{receive}");
        assert_eq!(history.crashes, crashes, "{receive}");
        assert_eq!(history.charged, crashes, "{receive}");
        assert_eq!(history.is_suspect(receive), is_suspect, "{receive}");
    }
}

async fn the_latest_attempts_of_a_message_are_read_in_order(bench: Bench) {
    let outcomes = [
        AttemptOutcome::Failed,
        AttemptOutcome::TimedOut,
        AttemptOutcome::Panicked,
        AttemptOutcome::Unavailable,
        AttemptOutcome::Contended,
        AttemptOutcome::Released,
        AttemptOutcome::UnknownType,
        AttemptOutcome::LeaseLost,
        AttemptOutcome::Started,
        AttemptOutcome::Finished,
    ];
    let rows: Vec<_> = (1..)
        .zip(outcomes)
        .map(|(receive, outcome)| Attempt {
            receive_last: receive + 1,
            ..attempt(receive, outcome, i64::from(receive))
        })
        .collect();
    bench.store.record_attempts(&rows).await.unwrap();
    let others = Attempt {
        message_id: MessageId("another".to_owned()),
        ..attempt(1, AttemptOutcome::Failed, 1)
    };
    bench.store.record_attempts(&[others]).await.unwrap();
    let all = bench.store.attempts("billing", "m", 20).await.unwrap();
    assert_eq!(all, rows);
    let latest = bench.store.attempts("billing", "m", 3).await.unwrap();
    assert_eq!(latest, rows[7..]);
    assert_eq!(bench.store.attempts("mail", "m", 3).await.unwrap(), []);
}

async fn a_history_of_nothing_is_empty(bench: Bench) {
    let history = bench
        .store
        .history("billing", "m", 6, &key("1"))
        .await
        .unwrap();
    assert_eq!(history, History::default());
}

async fn a_ledger_takes_whatever_text_a_message_had(bench: Bench) {
    let mut row = attempt(1, AttemptOutcome::Failed, 1);
    row.reason = "a\0b\u{FFFF} '; drop table".to_owned();
    row.key = Some(EventKey::new("s\0", "i\0"));
    let unreadable = Attempt {
        key: None,
        receive: 2,
        receive_last: 2,
        ..row.clone()
    };
    bench
        .store
        .record_attempts(&[row, unreadable])
        .await
        .unwrap();
    assert_eq!(
        bench
            .store
            .history("billing", "m", 6, &key("1"))
            .await
            .unwrap()
            .charged,
        2
    );
}

fn dead_letter(copy: &str) -> DeadLetter {
    DeadLetter {
        copy_id: MessageId(copy.to_owned()),
        queue: "billing-dlq".to_owned(),
        failure: Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: Some("a\0b".to_owned()),
            consumer: "billing".to_owned(),
            queue: "billing".to_owned(),
            version: None,
            event_type: None,
            key: key("1"),
            message_id: "m".to_owned(),
            attempts: 1,
            receives: u32::MAX,
            first_sent_at: Timestamp::UNIX_EPOCH,
            failed_at: Timestamp::UNIX_EPOCH,
            replay_no: 0,
            edited: None,
            history: Vec::new(),
            displaced: Vec::new(),
        },
    }
}

async fn a_dead_letter_recorded_twice_is_no_error(bench: Bench) {
    let letters = ["1", "2", "1"].map(dead_letter);
    bench.store.record_dead_letters(&letters).await.unwrap();
    bench
        .store
        .record_dead_letters(&letters[..1])
        .await
        .unwrap();
    bench.store.record_dead_letters(&[]).await.unwrap();
}

async fn ids(bench: &Bench, destination: &str) -> Vec<String> {
    let claim = bench.outbox.claim_rows(destination, 100).await.unwrap();
    let ids = claim
        .rows()
        .iter()
        .map(|row| row.event.key.id.clone())
        .collect();
    claim.settle(OutboxSettlement::default()).await.unwrap();
    ids
}

async fn events_are_published_with_the_commit_and_not_without(bench: Bench) {
    let transaction = claimed(&bench, "1").await;
    assert_eq!(transaction.publish(&event("a.b", "kept")).await.unwrap(), 2);
    assert!(ids(&bench, "one").await.is_empty());
    transaction.commit().await.unwrap();

    let transaction = claimed(&bench, "2").await;
    transaction
        .publish(&event("a.b", "rolled back"))
        .await
        .unwrap();
    transaction.rollback().await;
    let transaction = bench.begin().await;
    transaction.publish(&event("a.b", "dropped")).await.unwrap();
    drop(transaction);

    assert_eq!(ids(&bench, "one").await, ["kept"]);
    assert_eq!(ids(&bench, "two").await, ["kept"]);
}

async fn an_event_published_twice_stands_once(bench: Bench) {
    let twice = event("only.one", "1");
    bench.publish(&[twice.clone(), twice.clone()]).await;
    bench.publish(&[twice]).await;
    assert_eq!(ids(&bench, "one").await, ["1"]);
}

async fn an_event_that_nobody_wants_leaves_no_row(bench: Bench) {
    let transaction = bench.begin().await;
    assert_eq!(
        transaction.publish(&event("unwanted", "1")).await.unwrap(),
        0
    );
    transaction.commit().await.unwrap();
    assert_eq!(bench.outbox.stats().await.unwrap(), []);
}

async fn the_data_of_an_event_is_kept_to_the_letter(bench: Bench) {
    let mut sent = event("only.one", "1");
    sent.data =
        r#"{ "b":1.50, "a":1e999999, "b":"\u0000😀", "id":12345678901234567890123 }"#.to_owned();
    sent.ordering_key = Some("customer 7".to_owned());
    sent.trace = TraceContext::parse(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        Some("shop=1,other=x"),
    );
    bench.publish(std::slice::from_ref(&sent)).await;
    let claim = bench.outbox.claim_rows("one", 1).await.unwrap();
    let received = &claim.rows()[0].event;
    assert_eq!(format!("{received:?}"), format!("{sent:?}"));
}

async fn rows_that_are_claimed_are_passed_over_until_they_are_freed(bench: Bench) {
    let events: Vec<_> = (0..4).map(|n| event("only.one", &n.to_string())).collect();
    bench.publish(&events).await;
    let first = bench.outbox.claim_rows("one", 2).await.unwrap();
    let second = bench.outbox.claim_rows("one", 9).await.unwrap();
    let of = |claim: &dyn OutboxClaim| -> Vec<String> {
        claim
            .rows()
            .iter()
            .map(|row| row.event.key.id.clone())
            .collect()
    };
    assert_eq!(of(&*first), ["0", "1"]);
    assert_eq!(of(&*second), ["2", "3"]);
    assert!(ids(&bench, "one").await.is_empty());
    second.settle(OutboxSettlement::default()).await.unwrap();
    assert_eq!(ids(&bench, "one").await, ["2", "3"]);
    first.settle(OutboxSettlement::default()).await.unwrap();
    assert_eq!(ids(&bench, "one").await, ["0", "1", "2", "3"]);
}

/// Claims and settles: `sent` and `parked` by event id.
async fn settle(bench: &Bench, destination: &str, sent: &[&str], parked: &[&str]) {
    let claim = bench.outbox.claim_rows(destination, 100).await.unwrap();
    let row = |id: &&str| {
        let row = claim.rows().iter().find(|row| row.event.key.id == **id);
        row.unwrap_or_else(|| panic!("{id} is not among the claimed"))
            .id
    };
    let settlement = OutboxSettlement {
        sent: sent.iter().map(row).collect(),
        parked: parked
            .iter()
            .map(|id| (row(id), "too large".to_owned()))
            .collect(),
    };
    claim.settle(settlement).await.unwrap();
}

async fn settled_rows_are_gone_and_the_rest_comes_back(bench: Bench) {
    let events: Vec<_> = (0..4).map(|n| event("only.one", &n.to_string())).collect();
    bench.publish(&events).await;
    settle(&bench, "one", &["0", "3"], &["1"]).await;
    assert_eq!(ids(&bench, "one").await, ["2"]);
}

async fn of_an_ordering_key_only_the_oldest_unsent_row_is_claimable(bench: Bench) {
    let ordered = |id: &str, key: &str| event("only.one", id).ordered_by(key);
    let events = [
        ordered("a1", "a"),
        ordered("b1", "b"),
        ordered("a2", "a"),
        event("only.one", "free"),
        ordered("a3", "a"),
        ordered("empty1", ""),
        ordered("empty2", ""),
    ];
    bench.publish(&events).await;
    assert_eq!(
        ids(&bench, "one").await,
        ["a1", "b1", "free", "empty1", "empty2"]
    );

    // While another claim holds the oldest, the younger ones wait.
    let held = bench.outbox.claim_rows("one", 100).await.unwrap();
    assert!(ids(&bench, "one").await.is_empty());
    held.settle(OutboxSettlement::default()).await.unwrap();

    settle(&bench, "one", &["a1", "free", "empty1", "empty2"], &[]).await;
    assert_eq!(ids(&bench, "one").await, ["b1", "a2"]);
    settle(&bench, "one", &["a2"], &[]).await;
    assert_eq!(ids(&bench, "one").await, ["b1", "a3"]);
}

async fn a_parked_row_halts_its_key_and_nobody_else(bench: Bench) {
    let ordered = |id: &str, key: &str| event("a.b", id).ordered_by(key);
    bench
        .publish(&[ordered("a1", "a"), ordered("a2", "a"), ordered("b1", "b")])
        .await;
    settle(&bench, "one", &["b1"], &["a1"]).await;
    assert!(ids(&bench, "one").await.is_empty());
    assert_eq!(ids(&bench, "two").await, ["a1", "b1"]);
}

async fn a_destination_has_its_rows_to_itself(bench: Bench) {
    bench
        .publish(&[event("a.b", "1"), event("only.one", "2")])
        .await;
    let _held = bench.outbox.claim_rows("one", 100).await.unwrap();
    settle(&bench, "two", &["1"], &[]).await;
    assert!(ids(&bench, "two").await.is_empty());
    assert!(ids(&bench, "three").await.is_empty());
}

async fn every_ordering_key_has_its_turn(bench: Bench) {
    let events: Vec<_> = (0..30)
        .map(|n| event("only.one", &n.to_string()).ordered_by(format!("key {:02}", n / 3)))
        .collect();
    bench.publish(&events).await;
    let mut sent: Vec<Vec<i64>> = Vec::new();
    while sent.iter().map(Vec::len).sum::<usize>() < events.len() {
        let claim = bench.outbox.claim_rows("one", 4).await.unwrap();
        let rows: Vec<_> = claim.rows().iter().map(|row| row.id).collect();
        assert!(!rows.is_empty(), "rows are left, and none is claimable");
        sent.push(rows.clone());
        claim
            .settle(OutboxSettlement {
                sent: rows,
                parked: Vec::new(),
            })
            .await
            .unwrap();
    }
    assert!(ids(&bench, "one").await.is_empty());
}

async fn statistics_count_what_waits(bench: Bench) {
    assert_eq!(bench.outbox.stats().await.unwrap(), []);
    let ordered = |id: &str| event("a.b", id).ordered_by("k");
    bench
        .publish(&[
            event("a.b", "1"),
            event("a.b", "2"),
            ordered("3"),
            ordered("4"),
        ])
        .await;
    settle(&bench, "one", &["1"], &["2", "3"]).await;
    let stats = bench.outbox.stats().await.unwrap();
    let counts: Vec<_> = stats
        .iter()
        .map(|of| (of.destination.as_str(), of.pending, of.parked))
        .collect();
    assert_eq!(counts, [("one", 1, 2), ("two", 4, 0)]);
    assert!(
        stats
            .iter()
            .all(|of| of.oldest_age < Duration::from_secs(60)),
        "{stats:?}"
    );
}

async fn a_commit_wakes_the_relay(bench: Bench) {
    let mut writes = bench.outbox.writes();
    assert!(!writes.has_changed().unwrap());
    bench.publish(&[event("a.b", "1")]).await;
    timeout(Duration::from_secs(5), writes.changed())
        .await
        .unwrap()
        .unwrap();
}

async fn a_probe_finds_the_store_well(bench: Bench) {
    bench.store.probe().await.unwrap();
}
