//! Events of EventBridge and notifications of S3, broken or of somebody else.

use fleet::message::AttributeValue;
use serde_json::{Value, json};

use super::case::{BILLED, CANARY, Case, End, Row, UNTYPED, order, undecodable};

const MANY_RECORDS: End = undecodable("S3 envelope: more than one record in a notification");

/// Changes of an event of an order.
const BRIDGED: &[Row] = &[
    ("bridge: whole", |_| {}, BILLED),
    (
        "bridge: source absent",
        |e| e["source"] = Value::Null,
        undecodable("EventBridge envelope: `source` is missing"),
    ),
    (
        "bridge: id absent",
        |e| e["id"] = Value::Null,
        undecodable("EventBridge envelope: `id` is missing"),
    ),
    (
        "bridge: id a number",
        |e| e["id"] = json!(7),
        undecodable("EventBridge envelope: `id` is no string"),
    ),
    (
        "bridge: id a NUL",
        |e| e["id"] = json!("\0"),
        undecodable("event envelope: `id` contains U+0000"),
    ),
    (
        "bridge: type a list",
        |e| e["detail-type"] = json!([]),
        undecodable("EventBridge envelope: `detail-type` is no string"),
    ),
    (
        "bridge: type empty",
        |e| e["detail-type"] = json!(""),
        undecodable("event envelope: `type` is empty"),
    ),
    (
        "bridge: type for people",
        |e| e["detail-type"] = json!("Order Placed"),
        End::Waits,
    ),
    (
        "bridge: type absent",
        |e| e["detail-type"] = Value::Null,
        UNTYPED,
    ),
    (
        "bridge: detail absent",
        |e| e["detail"] = Value::Null,
        UNTYPED,
    ),
    (
        "bridge: detail as text",
        |e| e["detail"] = e["detail"].to_string().into(),
        undecodable(
            "data does not fit the schema at `.`: invalid type: string, expected an object",
        ),
    ),
    // For people.
    (
        "bridge: time no time",
        |e| e["time"] = json!(CANARY),
        BILLED,
    ),
    (
        "bridge: a scheduled event",
        |e| {
            e["detail-type"] = json!("Scheduled Event");
            e["source"] = json!("aws.events");
            e["detail"] = json!({});
        },
        End::Waits,
    ),
];

/// Changes of a notification, which no consumer here wants: what is whole waits for one who does.
const RECORDS: &[Row] = &[
    ("s3: whole", |_| {}, End::Waits),
    // Some of its events have none; one that is null is none that S3 sends.
    (
        "s3: a sequencer that is null",
        |n| n["Records"][0]["s3"]["object"]["sequencer"] = Value::Null,
        UNTYPED,
    ),
    ("s3: no records", |n| n["Records"] = json!([]), UNTYPED),
    ("s3: records null", |n| n["Records"] = Value::Null, UNTYPED),
    (
        "s3: records an object",
        |n| n["Records"] = json!({ "0": CANARY }),
        UNTYPED,
    ),
    (
        "s3: records of null",
        |n| n["Records"] = json!([null, null]),
        UNTYPED,
    ),
    (
        "s3: no bucket",
        |n| n["Records"][0]["s3"]["bucket"] = Value::Null,
        UNTYPED,
    ),
    (
        "s3: a key that is a number",
        |n| n["Records"][0]["s3"]["object"]["key"] = json!(7),
        UNTYPED,
    ),
    (
        "s3: of somebody else",
        |n| n["Records"][0]["eventSource"] = json!("aws:ses"),
        UNTYPED,
    ),
    (
        "s3: two records",
        |n| {
            let record = n["Records"][0].clone();
            n["Records"] = json!([record, record]);
        },
        MANY_RECORDS,
    ),
    (
        "s3: 1,000 records",
        |n| {
            let record = n["Records"][0].clone();
            n["Records"] = json!(vec![record; 1_000]);
        },
        MANY_RECORDS,
    ),
    (
        "s3: a key of 1,024 bytes",
        |n| n["Records"][0]["s3"]["object"]["key"] = json!("k".repeat(1_024)),
        undecodable("event envelope: `id` has 1044 bytes, at most 1024 are allowed"),
    ),
    (
        "s3: a key with a NUL",
        |n| n["Records"][0]["s3"]["object"]["key"] = json!("a\0b"),
        undecodable("event envelope: `id` contains U+0000"),
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = changed(BRIDGED, bridged);
    cases.extend(changed(RECORDS, notified));
    cases.extend(more());
    cases
}

fn changed(table: &[Row], make: fn(&str) -> Value) -> Vec<Case> {
    let case = |(name, change, end): &Row| {
        let mut changed = make(name);
        change(&mut changed);
        Case::new(*name, changed.to_string(), end.clone())
    };
    table.iter().map(case).collect()
}

/// What EventBridge makes of an order.
fn bridged(name: &str) -> Value {
    json!({
        "version": "0", "id": name, "detail-type": "order.placed", "source": "hostile",
        "account": "000000000000", "time": "2010-12-01T08:26:00Z", "region": "eu-central-1",
        "resources": [CANARY], "detail": order(name),
    })
}

/// What S3 says of an object.
fn notified(name: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2010-12-01T08:26:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": CANARY },
        "s3": {
            "bucket": { "name": "hostile", "arn": "arn:aws:s3:::hostile" },
            "object": { "key": name, "size": 7, "sequencer": "0055AED6DCD90281E5" },
        },
    }]})
}

/// What is of S3 and no notification, or the other way round.
fn more() -> Vec<Case> {
    let mut cases = Vec::new();
    let test = json!({
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2010-12-01T08:26:00.000Z",
        "Bucket": "hostile", "RequestId": CANARY, "HostId": CANARY,
    });
    cases.push(Case::new("s3: a test", test.to_string(), UNTYPED));
    let unsequenced = json!({ "Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectRestore:Post",
        "s3": { "bucket": { "name": "hostile" }, "object": { "key": "s3: restored" } },
    }]});
    cases.push(Case::new(
        "s3: restored",
        unsequenced.to_string(),
        End::Waits,
    ));
    let typed = AttributeValue::string("order.placed");
    let body = json!({ "Records": [order("s3: records of orders")] }).to_string();
    let reason = "data does not fit the schema at `.`: missing field `order_id`";
    cases.push(Case::new("s3: records of orders", body, undecodable(reason)).with("type", typed));
    cases
}
