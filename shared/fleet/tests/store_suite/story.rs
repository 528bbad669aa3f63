use std::slice;
use std::time::Duration;

use fleet::message::{EventKey, Failure, FailureClass, MessageId, NewEvent};
use fleet::service::traces::TraceContext;
use fleet::store::{
    Attempt, AttemptOutcome, Claim, DeadLetter, Outbox, OutboxSettlement, PostgresStore, Store,
    Story,
};
use jiff::Timestamp;

use crate::support::{connect, database, event};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn attempt(consumer: &str, message_id: &str, key: Option<&EventKey>, receive: u32) -> Attempt {
    Attempt {
        consumer: consumer.to_owned(),
        message_id: MessageId(message_id.to_owned()),
        receive,
        receive_last: receive,
        key: key.cloned(),
        outcome: AttemptOutcome::Failed,
        reason: "no stock".to_owned(),
        at: at(receive.into()),
    }
}

fn dead(copy_id: &str, message_id: &str, key: &EventKey) -> DeadLetter {
    DeadLetter {
        copy_id: MessageId(copy_id.to_owned()),
        queue: "two-dlq".to_owned(),
        failure: Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: None,
            consumer: "two".to_owned(),
            queue: "two".to_owned(),
            event_type: Some("a.b".to_owned()),
            key: key.clone(),
            message_id: message_id.to_owned(),
            attempts: 1,
            receives: 2,
            first_sent_at: at(0),
            failed_at: at(10),
            replay_no: 0,
            edited: None,
            version: None,
            history: Vec::new(),
            displaced: Vec::new(),
        },
    }
}

async fn finish(store: &PostgresStore, consumer: &str, key: &EventKey) {
    let Claim::New(transaction) = store.claim(consumer, key).await.unwrap() else {
        panic!("it is done twice");
    };
    transaction.commit().await.unwrap();
}

async fn publish(store: &PostgresStore, event: NewEvent) {
    let transaction = store.begin().await.unwrap();
    transaction.publish_all(&[event]).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn keys(store: &PostgresStore, id: &str) -> Vec<EventKey> {
    let found = store.find_events(id).await.unwrap();
    assert!(!found.keys_left_out && !found.sources_left_out);
    found.keys
}

async fn story(store: &PostgresStore, key: &EventKey) -> Story {
    store.story(key).await.unwrap()
}

/// An event of which every table knows something.
async fn told(store: &PostgresStore) -> EventKey {
    let event = NewEvent {
        trace: TraceContext::parse(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            None,
        ),
        ..event("a.b", "E-1")
    };
    let key = event.key.clone();
    publish(store, event).await;
    finish(store, "one", &key).await;
    let attempts = [
        attempt("two", "m-1", Some(&key), 1),
        // Given back before anybody had read it.
        attempt("two", "copy-1", None, 3),
        attempt("two", "another", None, 4),
    ];
    store.record_attempts(&attempts).await.unwrap();
    let dead = dead("copy-1", "m-1", &key);
    store.record_dead_letters(&[dead]).await.unwrap();
    store
        .query(
            "with r as (
                insert into fleet.replays (queue, destination, filter, who, state)
                values ('two-dlq', 'two', '{}', 'ann@desk', 'done') returning id)
             insert into fleet.replay_entries
                (replay_id, queue, message_id, source, event_id, state, sent_message_id, sent_at)
             select id, 'two-dlq', 'copy-1', '/test', 'E-1', 'sent', 'm-2', now() from r",
            &[],
        )
        .await
        .unwrap();
    key
}

#[tokio::test]
async fn the_story_of_an_event_is_told_from_every_table() {
    let database = database().await;
    let store = connect(&database);
    let key = told(&store).await;
    let story = story(&store, &key).await;
    let destinations: Vec<_> = story.outbox.iter().map(|row| &row.consumer[..]).collect();
    assert_eq!(destinations, ["one", "two"]);
    assert!(
        story.outbox[0]
            .trace_parent
            .as_deref()
            .unwrap()
            .contains("4bf9")
    );
    assert_eq!(story.inbox.len(), 1);
    assert_eq!(story.inbox[0].consumer, "one");
    let attempts: Vec<_> = story
        .attempts
        .iter()
        .map(|row| (&row.message_id[..], row.receive, row.charged))
        .collect();
    assert_eq!(attempts, [("m-1", 1, true), ("copy-1", 3, true)]);
    let [death] = &story.dead_letters[..] else {
        panic!("it died once: {story:?}");
    };
    assert_eq!((&death.copy_id[..], death.receives), ("copy-1", 2));
    let [replayed] = &story.replays[..] else {
        panic!("it was replayed once: {story:?}");
    };
    assert_eq!(replayed.consumer.as_deref(), Some("two"));
    assert_eq!(replayed.sent_message_id.as_deref(), Some("m-2"));
    assert_eq!(
        (&replayed.who[..], &replayed.state[..]),
        ("ann@desk", "sent")
    );
}

#[tokio::test]
async fn an_event_is_found_by_its_id_and_by_the_ids_of_its_messages() {
    let database = database().await;
    let store = connect(&database);
    let key = told(&store).await;
    for id in ["E-1", "m-1", "copy-1", "m-2"] {
        assert_eq!(keys(&store, id).await, slice::from_ref(&key), "{id}");
    }
    assert_eq!(keys(&store, "E-2").await, []);
}

#[tokio::test]
async fn an_event_that_only_the_inbox_knows_is_found_whatever_its_source() {
    let database = database().await;
    let store = connect(&database);
    let (a, b) = (EventKey::new("/a", "7"), EventKey::new("/b", "7"));
    for consumer in ["one", "two"] {
        for source in ["/a", "/aa", "/c"] {
            finish(&store, consumer, &EventKey::new(source, "8")).await;
        }
        finish(&store, consumer, &a).await;
    }
    finish(&store, "two", &b).await;
    assert_eq!(keys(&store, "7").await, [a.clone(), b.clone()]);
    assert_eq!(story(&store, &a).await.inbox.len(), 2);
    assert_eq!(story(&store, &b).await.inbox.len(), 1);
    assert!(story(&store, &EventKey::new("/c", "7")).await.is_empty());
}

#[tokio::test]
async fn a_message_that_nobody_could_read_is_found_by_its_own_id() {
    let database = database().await;
    let store = connect(&database);
    let attempts = [
        attempt("one", "m-8", None, 1),
        attempt("two", "m-9", None, 1),
    ];
    store.record_attempts(&attempts).await.unwrap();
    let unread = EventKey::new("", "m-8");
    assert_eq!(keys(&store, "m-8").await, slice::from_ref(&unread));
    assert_eq!(story(&store, &unread).await.attempts.len(), 1);

    let key = EventKey::new("two", "m-9");
    let dead = dead("copy-9", "m-9", &key);
    store.record_dead_letters(&[dead]).await.unwrap();
    assert_eq!(keys(&store, "m-9").await, slice::from_ref(&key));
    let story = story(&store, &key).await;
    assert_eq!((story.attempts.len(), story.dead_letters.len()), (1, 1));
}

#[tokio::test]
async fn a_row_that_waits_for_a_parked_one_names_it() {
    let database = database().await;
    let store = connect(&database);
    for id in ["1", "2"] {
        let event = NewEvent {
            ordering_key: Some("k".to_owned()),
            ..event("only.one", id)
        };
        publish(&store, event).await;
    }
    let halted_by = async |id: &str| {
        let story = story(&store, &EventKey::new("/test", id)).await;
        story.outbox[0].halted_by
    };
    assert_eq!(halted_by("2").await, None);
    let claim = store.claim_rows("one", 10).await.unwrap();
    let head = claim.rows()[0].id;
    let settlement = OutboxSettlement {
        parked: vec![(head, "why".to_owned())],
        ..OutboxSettlement::default()
    };
    claim.settle(settlement).await.unwrap();
    assert_eq!(halted_by("2").await, Some(head));
    assert_eq!(halted_by("1").await, None);
    store
        .discard_parked(&[head], "ann@desk", "why")
        .await
        .unwrap();
    assert_eq!(halted_by("2").await, None);
}

/// Runs by hand: `cargo test … --ignored --nocapture large_tables`.
#[tokio::test]
#[ignore = "fills tables with a million rows"]
async fn large_tables_are_not_read_from_end_to_end() {
    let database = database().await;
    let store = connect(&database);
    for fill in [
        "insert into fleet.inbox
         select 'c' || n % 4, '/tenant/' || n % 1000, n::text from generate_series(1, 1000000) n",
        "insert into fleet.attempts
         select 'c' || n % 4, n::text, 1, '/s', n::text, 'failed', true, 'why', now()
         from generate_series(1, 300000) n",
        "insert into fleet.outbox (destination, source, event_id, event_type, time, data, sent_at)
         select 'c', '/s', n::text, 't', now(), '{}', now() from generate_series(1, 300000) n",
        "vacuum analyze",
    ] {
        let fill = fill.to_owned();
        store.query(&fill, &[]).await.unwrap();
    }
    let begun = std::time::Instant::now();
    let found = keys(&store, "777").await;
    for key in &found {
        story(&store, key).await;
    }
    let took = begun.elapsed();
    println!("{} events in {took:?}", found.len());
    assert!(took < Duration::from_secs(1), "{took:?}");
}
