use fleet::message::{Failure, FailureClass, MessageId, NewEvent};
use fleet::store::{
    Attempt, AttemptOutcome, DeadLetter, PostgresStore, RecentFailures, Store as _,
};
use jiff::Timestamp;

use crate::support::{connect, database, event, key};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn attempt(id: &str, outcome: AttemptOutcome, second: i64) -> Attempt {
    Attempt {
        consumer: "one".to_owned(),
        message_id: MessageId(format!("m-{id}")),
        receive: 1,
        receive_last: 1,
        key: Some(key(id)),
        outcome,
        reason: "the bank is closed".to_owned(),
        at: at(second),
    }
}

fn dead_letter(id: &str, second: i64) -> DeadLetter {
    DeadLetter {
        copy_id: MessageId(format!("copy-{id}")),
        queue: "one-dlq".to_owned(),
        failure: Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: None,
            consumer: "one".to_owned(),
            queue: "one".to_owned(),
            event_type: Some("a.b".to_owned()),
            key: key(id),
            message_id: format!("m-{id}"),
            attempts: 1,
            receives: 1,
            first_sent_at: at(0),
            failed_at: at(second),
            version: None,
            replay_no: 0,
            edited: None,
            history: Vec::new(),
            displaced: Vec::new(),
        },
    }
}

async fn publish(store: &PostgresStore, event: &NewEvent) {
    let transaction = store.begin().await.unwrap();
    transaction
        .publish_all(std::slice::from_ref(event))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

fn told(failures: &RecentFailures) -> Vec<(&str, &str, Option<&str>)> {
    let latest = failures.latest.iter();
    latest
        .map(|one| {
            let id = one.event_id.as_deref().unwrap_or_default();
            (id, one.what.as_str(), one.event_type.as_deref())
        })
        .collect()
}

#[tokio::test]
async fn the_latest_failures_come_first_whichever_table_they_stand_in() {
    let database = database().await;
    let store = connect(&database);
    assert_eq!(store.recent_failures(10).await.unwrap().latest, []);
    publish(&store, &event("a.b", "1")).await;
    let attempts = [
        attempt("1", AttemptOutcome::Failed, 1),
        attempt("2", AttemptOutcome::TimedOut, 3),
        attempt("3", AttemptOutcome::Released, 4),
        attempt("4", AttemptOutcome::Contended, 5),
        attempt("5", AttemptOutcome::Started, 6),
    ];
    store.record_attempts(&attempts).await.unwrap();
    let dead = [dead_letter("6", 2), dead_letter("7", 0)];
    store.record_dead_letters(&dead).await.unwrap();

    let failures = store.recent_failures(10).await.unwrap();
    assert!(failures.has_attempts);
    let expected = [
        ("2", "timed_out", None),
        ("6", "dead-lettered", Some("a.b")),
        ("1", "failed", Some("a.b")),
        ("7", "dead-lettered", Some("a.b")),
    ];
    assert_eq!(told(&failures), expected);
    assert_eq!(failures.latest[0].reason, "the bank is closed");
    assert_eq!(failures.latest[0].at, at(3));
    assert_eq!(failures.latest[1].consumer, "one");
    let two = store.recent_failures(2).await.unwrap();
    assert_eq!(told(&two), expected[..2]);
}

#[tokio::test]
async fn a_ledger_that_is_too_large_is_left_out_and_that_is_said() {
    let database = database().await;
    let store = connect(&database);
    let rows = "insert into fleet.attempts
            (consumer, message_id, receive, outcome, charged, reason, at)
        select 'one', n::text, 1, 'failed', true, repeat('x', 1500), now()
        from generate_series(1, 25000) n";
    store.query(rows, &[]).await.unwrap();
    store
        .record_dead_letters(&[dead_letter("6", 2)])
        .await
        .unwrap();
    let failures = store.recent_failures(10).await.unwrap();
    assert!(!failures.has_attempts);
    assert_eq!(told(&failures), [("6", "dead-lettered", Some("a.b"))]);
}
