//! `dlq show`.

use fleet::message::FailureClass;
use insta::assert_snapshot;
use serde_json::json;

use crate::morgue::{Morgue, copy, failure, message, refused, zoo};
use crate::normal::normal;

/// Shows a message of the zoo.
async fn shown(arguments: &[&str]) -> String {
    let morgue = Morgue::with(&zoo()).await;
    let show = [&["dlq", "show", "billing"], arguments].concat();
    normal(&morgue.site.run(&show).await.with_code(0).stdout)
}

#[tokio::test]
async fn a_message_is_shown_with_all_that_is_known_of_it() {
    assert_snapshot!(shown(&["3"]).await, @r#"
    event        3
    source       /fleet/orders
    type         order.placed
    why          its attempts were used up (5), and the last one failed: order 3 took 31 s
    detail       SQLSTATE 57014
    fingerprint  050462208c76
    handler      billing
    build        1.2.0 (abc)
    queue        billing
    message      00000000-0000-0000-0000-000000000000
    attempts     5
    receives     7
    first sent   2020-05-01T07:00:00.000Z
    dead since   2020-05-01T09:30:00.000Z
    expires      0000-00-00T00:00:00Z (in 13d 23h)
    trace        0af7651916cd43dd8448eb211c80319c
    size         408 bytes, 408 of them the body

    what went wrong before:
    RECEIVE  AT                        OUTCOME    REASON
          6  2020-05-01T09:00:00.000Z  timed_out  order 3 took 30 s

    body (JSON):
    {
      "data": {
        "cancelled": false,
        "country": "United Kingdom",
        "currency": "GBP",
        "customer_id": "17850",
        "lines": [
          {
            "description": "HOLDER",
            "quantity": 1,
            "sku": "85123A",
            "unit_price_minor": 100
          }
        ],
        "order_id": "3",
        "placed_at": "0000-00-00T00:00:00Z"
      },
      "id": "3",
      "source": "/fleet/orders",
      "specversion": "1.0",
      "time": "0000-00-00T00:00:00Z",
      "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "type": "order.placed"
    }

    what you can do:
      fleet dlq replay billing --id 3
      fleet dlq edit billing 3
      fleet why 3
    "#);
}

#[tokio::test]
async fn what_was_edited_and_replayed_says_so() {
    let shown = shown(&["5"]).await;
    let facts: Vec<_> = shown.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(facts.join("\n"), @"
    event        5
    source       /fleet/orders
    type         order.placed
    why          no process survived its attempts (1): the process did not survive its handler
    fingerprint  d243d897a35f
    handler      billing
    build        1.2.0 (abc)
    queue        billing
    message      00000000-0000-0000-0000-000000000000
    attempts     1
    receives     1
    first sent   2020-05-01T07:00:00.000Z
    dead since   2020-05-01T08:00:00.000Z
    expires      0000-00-00T00:00:00Z (in 13d 23h)
    replayed     2 times
    edited       by ann@desk at 2020-05-01T07:30:00.000Z
    size         336 bytes, 336 of them the body
    ");
}

#[tokio::test]
async fn attributes_are_those_that_were_sent_even_where_ten_left_no_slot() {
    let shown = shown(&["6"]).await;
    let (_, rest) = shown.split_once("\n\n").unwrap();
    let (attributes, _) = rest.split_once("\n\n").unwrap();
    assert_snapshot!(attributes, @"
    ATTRIBUTE  TYPE        VALUE
    a0         String      v0
    a1         String      v1
    a2         String      v2
    a3         String      v3
    a4         String      v4
    a5         String      v5
    a6         String      v6
    a7         String      v7
    a8         String      v8
    bytes      Binary.png  AJ+Slg==
    ");
}

#[tokio::test]
async fn a_message_that_sqs_moved_is_shown_as_far_as_it_is_known() {
    assert_snapshot!(shown(&["8"]).await, @r#"
    event        8
    source       /fleet/orders
    type         order.placed
    why          SQS moved it by the redrive policy of billing, after too many receives: nobody said why
    fingerprint  c2a997fb86d8
    handler      billing
    queue        billing
    message      00000000-0000-0000-0000-000000000000
    receives     1
    first sent   0000-00-00T00:00:00Z
    expires      0000-00-00T00:00:00Z (in 13d 23h)
    size         336 bytes, 336 of them the body

    body (JSON):
    {
      "data": {
        "cancelled": false,
        "country": "United Kingdom",
        "currency": "GBP",
        "customer_id": "17850",
        "lines": [
          {
            "description": "HOLDER",
            "quantity": 1,
            "sku": "85123A",
            "unit_price_minor": 100
          }
        ],
        "order_id": "8",
        "placed_at": "0000-00-00T00:00:00Z"
      },
      "id": "8",
      "source": "/fleet/orders",
      "specversion": "1.0",
      "time": "0000-00-00T00:00:00Z",
      "type": "order.placed"
    }

    what you can do:
      fleet dlq replay billing --id 8
      fleet dlq edit billing 8
      fleet why 8
    "#);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_shown_as_text() {
    assert_snapshot!(shown(&["11111111-2222-4333-8444-555555555555"]).await, @"
    event        11111111-2222-4333-8444-555555555555
    source       billing
    why          it could not be read: is no event
    fingerprint  f87812ae96f4
    handler      billing
    build        1.2.0 (abc)
    queue        billing
    message      00000000-0000-0000-0000-000000000000
    attempts     0
    receives     1
    first sent   2020-05-01T07:00:00.000Z
    dead since   2020-05-01T08:00:00.000Z
    expires      0000-00-00T00:00:00Z (in 13d 23h)
    size         15 bytes, 15 of them the body

    body (no JSON):
    this is no JSON

    what you can do:
      fleet dlq replay billing --id 11111111-2222-4333-8444-555555555555
      fleet dlq edit billing 11111111-2222-4333-8444-555555555555
      fleet why 11111111-2222-4333-8444-555555555555
    ");
}

#[tokio::test]
async fn a_message_is_there_as_json_with_its_body_as_it_is() {
    let morgue = Morgue::with(&zoo()).await;
    let show = ["dlq", "show", "billing", "3", "--json"];
    let json = morgue.site.run(&show).await.with_code(0).json();
    let shown = &json[0];
    let of_body: serde_json::Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(of_body["data"]["order_id"], "3");
    assert_eq!(shown["history"][0]["outcome"], "timed_out");
    assert_eq!(
        shown["why"],
        "its attempts were used up (5), and the last one failed: order 3 took 31 s"
    );
    assert_eq!(shown["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(shown["attributes"], json!({}));
}

#[tokio::test]
async fn all_copies_of_an_event_are_shown_and_each_by_its_message_id() {
    let morgue = Morgue::with(&[refused("1"), refused("2"), refused("1")]).await;
    let show = async |id: &str| {
        let show = ["dlq", "show", "billing-dlq", id, "--json"];
        morgue.site.run(&show).await.with_code(0).json()
    };
    let copies = show("1").await;
    let ids: Vec<_> = copies
        .as_array()
        .unwrap()
        .iter()
        .map(|copy| copy["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        let alone = show(id).await;
        assert_eq!(alone.as_array().unwrap().len(), 1);
        assert_eq!(alone[0]["id"], id);
    }
}

#[tokio::test]
async fn numbers_are_shown_exactly_as_they_were_written() {
    let body = r#"{"z":1.10,"a":[10000000000000000000000001,1e400,-0.0],"é":"\u00e9","a":2}"#;
    let morgue = Morgue::with(&[copy(
        &message(body.to_owned()),
        &failure("n", FailureClass::Permanent, "x"),
    )])
    .await;
    let ended = morgue
        .site
        .run(&["dlq", "show", "billing", "n"])
        .await
        .with_code(0);
    let (_, body) = ended.stdout.split_once("body (JSON):\n").unwrap();
    let (body, _) = body.split_once("\n\n").unwrap();
    assert_snapshot!(body, @r#"
    {
      "z": 1.10,
      "a": [
        10000000000000000000000001,
        1e400,
        -0.0
      ],
      "é": "\u00e9",
      "a": 2
    }
    "#);
}

#[tokio::test]
async fn a_raw_body_is_written_byte_by_byte() {
    let body = "no newline at the end, \u{9b}2J \u{202e}é\r";
    let failure = failure("r", FailureClass::Undecodable, "is no event");
    let morgue = Morgue::with(&[copy(&message(body.to_owned()), &failure)]).await;
    let raw = ["dlq", "show", "billing", "r", "--raw"];
    let output = morgue.site.command(&raw).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, body.as_bytes());
}

#[tokio::test]
async fn copies_with_other_bodies_are_not_mixed() {
    let failure = failure("r", FailureClass::Undecodable, "is no event");
    let dead = ["one", "two"].map(|body| copy(&message(body.to_owned()), &failure));
    let morgue = Morgue::with(&dead).await;
    let raw = ["dlq", "show", "billing", "r", "--raw"];
    let ended = morgue.site.run(&raw).await.with_code(2);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("name one by its MessageId"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_message_that_is_not_there_is_an_error() {
    let morgue = Morgue::with(&[refused("1")]).await;
    let ended = morgue
        .site
        .run(&["dlq", "show", "billing", "2"])
        .await
        .with_code(1);
    assert_eq!(ended.stdout, "");
    assert_snapshot!(ended.stderr, @"
    looked at 1 of about 1 in billing-dlq
    none of them is meant
    fleet: no message that could be seen in billing-dlq has the id 2
    ");
}
