//! Which messages go, and as what.

use std::time::{Duration, Instant};

use fleet::dead_letter::replay::{End, Order};
use fleet::dead_letter::{Destination, Filter};
use fleet::message::{AttributeValue, Attributes, BODY_BYTES_MAX, Message, Outgoing};
use fleet::queue::Queue as _;
use fleet::service::config::RateLimit;
use jiff::Timestamp;

use crate::bench::{Bench, LONG, Letter, by_event, follow};

#[tokio::test]
async fn only_what_is_meant_goes_and_the_rest_is_visible_again() {
    let bench = Bench::standard(LONG).await;
    let mut letters = Letter::many(30);
    for letter in &mut letters[..12] {
        letter.reason = "zero price, line 7".to_owned();
    }
    bench.bury(&letters).await;
    let filter = Filter {
        reason: Some("zero price, line 1".to_owned()),
        ..Filter::default()
    };
    let (id, source) = (bench.begin().await, bench.source());
    let order = Order {
        matcher: filter.matcher().unwrap(),
        ..bench.order(id, &source)
    };
    let report = follow(&order).await;
    assert_eq!((report.sent, report.passed_over), (12, 18), "{report:?}");
    assert_eq!(bench.dead.attributes().await.unwrap().visible, 18);
    let arrived = by_event(&bench.arrived().await);
    assert!(
        arrived
            .keys()
            .all(|event| event.parse::<u32>().unwrap() < 12)
    );
}

#[tokio::test]
async fn what_dies_after_the_cut_stays() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&Letter::many(3)).await;
    let (id, source) = (bench.begin().await, bench.source());
    let order = bench.order(id, &source);
    bench.bury(&[Letter::new("later")]).await;
    let report = follow(&order).await;
    assert_eq!((report.sent, report.passed_over), (3, 1), "{report:?}");
    assert_eq!(bench.left().await, 1);
}

#[tokio::test]
async fn no_more_go_than_the_most_and_the_next_run_takes_the_rest() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&Letter::many(40)).await;
    let (id, source) = (bench.begin().await, bench.source());
    let order = Order {
        max: Some(7),
        ..bench.order(id, &source)
    };
    let report = follow(&order).await;
    assert!(matches!(report.end, End::Limit), "{report:?}");
    assert_eq!(report.sent, 7);
    assert_eq!(bench.dead.attributes().await.unwrap().visible, 33);
    let report = follow(&Order { max: None, ..order }).await;
    assert_eq!((report.sent, bench.left().await), (33, 0));
}

#[tokio::test]
async fn the_rate_is_kept() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&Letter::many(60)).await;
    let (id, source) = (bench.begin().await, bench.source());
    let order = Order {
        rate: Some(RateLimit::in_thousand_secs(25_000)),
        ..bench.order(id, &source)
    };
    let begun = Instant::now();
    let report = follow(&order).await;
    assert_eq!(report.sent, 60);
    // Ten may come at once.
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn copies_of_one_event_are_sent_as_one_and_others_of_its_name_are_not() {
    let bench = Bench::standard(LONG).await;
    let mut letters = vec![Letter::new("same"); 25];
    letters[7].body = r#"{"n":"edited elsewhere"}"#.to_owned();
    bench.bury(&letters).await;
    let (id, report) = bench.replay().await;
    assert_eq!((report.sent, report.copies), (2, 23), "{report:?}");
    assert_eq!(by_event(&bench.arrived().await)["same"], 2);
    assert_eq!(bench.left().await, 0);
    let counts = bench.journal(id).await.counts;
    assert_eq!(
        (counts.deleted, counts.copies, counts.replayed()),
        (25, 23, 2)
    );
}

#[tokio::test]
async fn what_dies_again_after_a_replay_is_no_copy_of_itself() {
    let bench = Bench::standard(LONG).await;
    bench.bury(&[Letter::new("again")]).await;
    let (id, source) = (bench.begin().await, bench.source());
    for round in 1..=3 {
        let order = bench.order(id, &source);
        let report = follow(&order).await;
        assert_eq!(
            (report.sent, report.copies),
            (1, 0),
            "round {round}: {report:?}"
        );
        let message = bench.arrived().await.pop().unwrap();
        assert_eq!(message.failure.as_deref().unwrap().replay_no, round);
        die(&bench, message).await;
    }
    // The same without a word of the fleet's: SQS moves it with its id.
    let moved =
        Outgoing::new(r#"{"specversion":"1.0","id":"7","source":"/s","type":"t","data":1}"#);
    bench.dead.send(&[moved]).await.unwrap();
    let order = bench.order(id, &source);
    assert_eq!(follow(&order).await.sent, 2);
}

/// Buries a message anew as the fleet does.
async fn die(bench: &Bench, message: Message) {
    let failure = message.failure.as_deref().unwrap();
    let failure = fleet::message::Failure {
        message_id: message.id.0.clone(),
        failed_at: Timestamp::now(),
        ..failure.clone()
    };
    let copy = fleet::dead_letter::copy(&message, &failure, false).message;
    bench.dead.send(&[copy]).await.unwrap();
}

#[tokio::test]
async fn events_that_the_inbox_may_have_forgotten_stay_unless_they_are_asked_for() {
    let bench = Bench::standard(LONG).await;
    let mut letters = Letter::many(4);
    letters[1].first_sent_at = "2020-01-01T00:00:00Z".parse().unwrap();
    bench.bury(&letters).await;
    let (id, source) = (bench.begin().await, bench.source());
    let order = Order {
        oldest: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        ..bench.order(id, &source)
    };
    let report = follow(&order).await;
    assert_eq!(
        (report.sent, report.kept.values().sum::<u64>()),
        (3, 1),
        "{report:?}"
    );
    assert_eq!(bench.left().await, 1);
    let report = follow(&Order {
        oldest: None,
        ..order
    })
    .await;
    assert_eq!((report.sent, bench.left().await), (1, 0), "{report:?}");
}

#[tokio::test]
async fn ten_attributes_a_full_body_and_a_foreign_message_are_as_they_were() {
    let attributes: Attributes = (0..10_u8)
        .map(|n| {
            let value = match n % 2 {
                0 => AttributeValue::string(format!("value {n}")),
                _ => AttributeValue::binary("Binary.own", vec![n; 40]),
            };
            (format!("name-{n}"), value)
        })
        .collect();
    let mut full = Letter::new("full");
    full.body = "x".repeat(BODY_BYTES_MAX);
    let mut ten = Letter::new("ten");
    ten.attributes = attributes.clone();
    for to in [Destination::Fleet, Destination::Foreign] {
        let bench = Bench::standard(LONG).await;
        bench.bury(&[full.clone(), ten.clone()]).await;
        let foreign = Outgoing {
            attributes: attributes.clone(),
            group_id: Some("tenant".to_owned()),
            ..Outgoing::new("no JSON at all")
        };
        bench
            .dead
            .send(std::slice::from_ref(&foreign))
            .await
            .unwrap();
        let (id, source) = (bench.begin().await, bench.source());
        let order = Order {
            to,
            ..bench.order(id, &source)
        };
        let report = follow(&order).await;
        assert_eq!(report.sent, 3, "{report:?}");
        for arrived in bench.arrived().await {
            match arrived.body.len() {
                BODY_BYTES_MAX => {
                    assert_eq!(arrived.body, full.body);
                    assert!(arrived.attributes.is_empty());
                }
                _ if arrived.body == ten.body => {
                    assert_eq!(arrived.attributes, attributes);
                    assert_eq!(arrived.failure.is_some(), to == Destination::Fleet);
                }
                _ => {
                    assert_eq!(arrived.body, foreign.body);
                    assert_eq!(arrived.attributes, attributes);
                    assert_eq!(arrived.group_id, foreign.group_id);
                }
            }
        }
        assert_eq!(bench.left().await, 0);
    }
}
