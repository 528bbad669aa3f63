//! Messages that mean no good, on the real path: sqs-local over HTTP, `fleet run`, Postgres.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use fleet_tests::books::{order, placed};
use fleet_tests::mailbox::Counts;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;
use serde_json::{Value, json};
use sqs_local::{MessageAttributeValue, MessageAttributes};

const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// What was sent, to be found again.
struct Sent {
    what: &'static str,
    body: String,
    attributes: MessageAttributes,
}

fn sent(what: &'static str, body: impl Into<String>) -> Sent {
    Sent {
        what,
        body: body.into(),
        attributes: MessageAttributes::new(),
    }
}

/// So many attributes of text, together of the given size.
fn attributes(count: usize, bytes: usize) -> MessageAttributes {
    (0..count)
        .map(|index| {
            let value = "v".repeat(bytes / count);
            (format!("a{index}"), MessageAttributeValue::string(value))
        })
        .collect()
}

/// An envelope of an order, changed.
fn envelope(change: impl FnOnce(&mut Value)) -> String {
    let mut envelope: Value =
        serde_json::from_str(&placed(&order("1", 1))).expect("an envelope is JSON");
    change(&mut envelope);
    envelope.to_string()
}

/// A body of exactly this many bytes.
fn padded(head: &str, tail: &str, bytes: usize) -> String {
    let fill = bytes - head.len() - tail.len();
    format!("{head}{}{tail}", "x".repeat(fill))
}

/// Messages of which none can ever become an invoice.
fn hopeless() -> Vec<Sent> {
    let mut all = vec![
        sent("a blank", " "),
        sent("no JSON", "this is no JSON \" { ["),
        sent("half of JSON", "{\"specversion\":\"1.0\",\"id\":"),
        sent("another kind of JSON", "[1,2,3]"),
        sent("a word", "null"),
        sent("an empty object", "{}"),
        sent("a wrong schema", envelope(|e| e["data"] = json!({ "order_id": 7 }))),
        sent("no data", envelope(|e| drop(e.as_object_mut().map(|e| e.remove("data"))))),
        sent("data that is null", envelope(|e| e["data"] = Value::Null)),
        sent("an id that is empty", envelope(|e| e["id"] = json!(""))),
        sent("an id that is huge", envelope(|e| e["id"] = json!("i".repeat(100_000)))),
        sent("a source that is huge", envelope(|e| e["source"] = json!("s".repeat(100_000)))),
        sent("a NUL in the data", envelope(|e| e["data"]["customer_id"] = json!("a\u{0}b"))),
        sent("a NUL in the key", envelope(|e| e["data"]["order_id"] = json!("a\u{0}b"))),
        sent("a NUL in the event's id", envelope(|e| e["id"] = json!("a\u{0}b"))),
        sent("a NUL in the source", envelope(|e| e["source"] = json!("a\u{0}b"))),
        sent("half of a surrogate", "{\"specversion\":\"1.0\",\"id\":\"\\ud800\",\"source\":\"/x\",\"type\":\"order.placed\",\"data\":{}}"),
        sent("another version", envelope(|e| e["specversion"] = json!("7.0"))),
        sent("a number beyond all numbers", envelope(|e| e["data"]["lines"][0]["quantity"] = json!(1e300))),
        sent("deep JSON", format!("{}{}", "[".repeat(500_000), "]".repeat(500_000))),
        sent("deep data", format!(
            "{{\"specversion\":\"1.0\",\"id\":\"d\",\"source\":\"/x\",\"type\":\"order.placed\",\"data\":{}{}}}",
            "{\"a\":".repeat(100_000) + "1",
            "}".repeat(100_000)
        )),
        sent("1 MiB of nothing", "x".repeat(MESSAGE_BYTES_MAX)),
        sent("SNS without an order", json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-central-1:0:t",
            "Message": "hello", "Timestamp": "2010-12-01T08:26:00Z",
        }).to_string()),
        sent("text that steers a terminal", "\u{202e}txet \u{fffd}"),
    ];
    let mut ten = sent("ten attributes", "no JSON either");
    ten.attributes = attributes(10, 1_000);
    all.push(ten);
    let mut full = sent("ten attributes in a message of 1 MiB", "");
    full.attributes = attributes(10, 200_000);
    let used: usize = full
        .attributes
        .iter()
        .map(|(name, value)| {
            name.len() + value.data_type.len() + value.string_value.as_ref().map_or(0, String::len)
        })
        .sum();
    full.body = "x".repeat(MESSAGE_BYTES_MAX - used);
    all.push(full);
    let huge = padded(
        "{\"specversion\":\"1.0\",\"id\":\"big\",\"source\":\"/x\",\"type\":\"order.placed\",\"data\":{\"order_id\":\"",
        "\"}}",
        MESSAGE_BYTES_MAX,
    );
    all.push(sent("an envelope of 1 MiB", huge));
    all
}

#[tokio::test]
async fn what_cannot_be_handled_is_dead_lettered_whole_and_with_a_reason() {
    let site = Site::new().await.with("UNKNOWN_TYPE_GRACE", "0s");
    let hopeless = hopeless();
    for message in &hopeless {
        let send = site.queue.send(&message.body, message.attributes.clone());
        send.await;
    }
    let good = placed(&order("good", 1));
    site.queue.send(&good, MessageAttributes::new()).await;

    let ended = site
        .run(&["run", "--drain", "--timeout", "45s"])
        .await
        .with_code(0);
    assert!(!ended.stderr.contains("panick"), "{}", ended.stderr);
    assert_eq!(site.queue.counts().await, Counts::NONE);
    assert_eq!(
        site.books.count("billing.invoices").await,
        1,
        "the good one is unharmed"
    );

    let mut copies: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for copy in site.dead_letters.peek().await {
        copies.entry(copy.body.to_string()).or_default().push(copy);
    }
    for message in &hopeless {
        let what = message.what;
        let found = copies.get_mut(&message.body).and_then(Vec::pop);
        let copy = found.unwrap_or_else(|| panic!("{what} is lost"));
        let record = site
            .books
            .rows(&format!(
                "select class, reason, failure from fleet.dead_letters where copy_id = '{}'",
                copy.message_id
            ))
            .await;
        assert_eq!(record.len(), 1, "{what} has no record");
        let mut kept = copy.message_attributes.as_ref().clone();
        let travels = kept.remove("fleet_failure");
        let is_full = what.contains("1 MiB");
        assert!(travels.is_some() || is_full, "{what} has no reason with it");
        for (name, value) in &message.attributes {
            let displaced = travels.is_some() && !kept.contains_key(name);
            assert!(
                displaced || kept.get(name) == Some(value),
                "{what} has lost {name}"
            );
        }
    }
    let left: Vec<_> = copies
        .into_values()
        .flatten()
        .map(|copy| copy.body)
        .collect();
    assert!(left.is_empty(), "dead-lettered twice: {left:?}");
}

#[tokio::test]
async fn a_type_that_nobody_knows_waits_for_a_deploy() {
    let site = Site::new().await;
    let body = envelope(|e| e["type"] = json!("order.placed.v9"));
    site.queue.send(&body, MessageAttributes::new()).await;
    let (mut process, _probe) = site.start_ready(&["run"]).await;
    process.says("order.placed.v9").await;
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
    assert_eq!(site.queue.counts().await.total(), 1, "it waits");
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    let attempts = site.books.rows("select charged from fleet.attempts").await;
    assert_eq!(attempts, [json!({ "charged": false })]);
}

#[tokio::test]
async fn every_envelope_of_an_order_becomes_an_invoice() {
    let site = Site::new().await;
    let bare = |id: &str| order(id, 1).to_string();
    let typed = || {
        let name = MessageAttributeValue::string("order.placed");
        MessageAttributes::from([("type".to_owned(), name)])
    };
    let sns = |message: String, kind: Option<&str>| {
        let mut envelope = json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-central-1:0:orders",
            "Message": message, "Timestamp": "2010-12-01T08:26:00Z",
        });
        if let Some(kind) = kind {
            let attribute = json!({ "type": { "Type": "String", "Value": kind } });
            envelope["MessageAttributes"] = attribute;
        }
        envelope.to_string()
    };
    let bridge = json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "order.placed",
        "source": "shop.orders", "account": "000000000000", "time": "2010-12-01T08:26:00Z",
        "region": "eu-central-1", "resources": [], "detail": order("bridge", 1),
    });
    site.queue
        .send(&placed(&order("cloud", 1)), MessageAttributes::new())
        .await;
    site.queue.send(&bare("bare"), typed()).await;
    site.queue
        .send(&bridge.to_string(), MessageAttributes::new())
        .await;
    site.queue
        .send(
            &sns(bare("sns"), Some("order.placed")),
            MessageAttributes::new(),
        )
        .await;
    let mut full = attributes(9, 90);
    full.extend(typed());
    site.queue.send(&bare("ten-attributes"), full).await;
    let mut big = order("big", 1);
    big["email"] = json!("x");
    let spare = MESSAGE_BYTES_MAX - placed(&big).len() + 1;
    big["email"] = json!("x".repeat(spare));
    let big = placed(&big);
    assert_eq!(big.len(), MESSAGE_BYTES_MAX);
    site.queue.send(&big, MessageAttributes::new()).await;

    let ended = site
        .run(&["run", "--drain", "--timeout", "30s"])
        .await
        .with_code(0);
    let dead = site
        .books
        .rows("select class, reason, detail from fleet.dead_letters")
        .await;
    assert!(dead.is_empty(), "{dead:?}");
    let billed = site
        .books
        .rows("select order_id from billing.invoices order by 1")
        .await;
    let billed: Vec<_> = billed
        .iter()
        .filter_map(|row| row["order_id"].as_str())
        .collect();
    let expected = ["bare", "big", "bridge", "cloud", "sns", "ten-attributes"];
    assert_eq!(billed, expected, "{}", ended.stderr);
}

#[tokio::test]
async fn an_s3_event_that_nobody_wants_is_not_lost() {
    let site = Site::new().await.with("UNKNOWN_TYPE_GRACE", "0s");
    let body = json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2010-12-01T08:26:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": "orders", "arn": "arn:aws:s3:::orders" },
            "object": { "key": "2010/12/01.jsonl", "size": 7, "sequencer": "0055AED6DCD90281E5" },
        },
    }]})
    .to_string();
    site.queue.send(&body, MessageAttributes::new()).await;
    site.run(&["run", "--drain", "--timeout", "30s"])
        .await
        .with_code(0);
    let copies = site.dead_letters.peek().await;
    assert_eq!(copies.len(), 1);
    assert_eq!(*copies[0].body, *body);
    assert!(copies[0].message_attributes.contains_key("fleet_failure"));
}

#[tokio::test]
async fn an_event_that_comes_hundreds_of_times_counts_once() {
    let site = Site::new().await;
    let body = placed(&order("1", 1));
    for _ in 0..300 {
        site.queue.send(&body, MessageAttributes::new()).await;
    }
    site.run(&["run", "--drain", "--timeout", "45s"])
        .await
        .with_code(0);
    assert_eq!(site.books.count("billing.invoices").await, 1);
    assert_eq!(site.books.sums("invoices").await["GBP"]["total_minor"], 100);
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
}
