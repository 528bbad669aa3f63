//! Notifications of SNS, broken or of somebody else.

use serde_json::{Value, json};

use super::case::{BILLED, CANARY, Case, End, NO_JSON, Row, UNTYPED, event, order, undecodable};

const MALFORMED: End = undecodable("SNS envelope: `MessageAttributes` are malformed");

/// Changes of a notification of an order.
const NOTIFICATIONS: &[Row] = &[
    ("sns: whole", |_| {}, BILLED),
    (
        "sns: Type absent",
        |n| n["Type"] = Value::Null,
        undecodable("SNS envelope: `Type` is missing"),
    ),
    (
        "sns: Type a number",
        |n| n["Type"] = json!(1),
        undecodable("SNS envelope: `Type` is no string"),
    ),
    (
        "sns: a subscription",
        |n| n["Type"] = json!("SubscriptionConfirmation"),
        undecodable("SNS envelope: `Type` is not Notification: a subscription to confirm?"),
    ),
    (
        "sns: the end of one",
        |n| n["Type"] = json!("UnsubscribeConfirmation"),
        undecodable("SNS envelope: `Type` is not Notification: a subscription to confirm?"),
    ),
    (
        "sns: MessageId absent",
        |n| n["MessageId"] = Value::Null,
        undecodable("SNS envelope: `MessageId` is missing"),
    ),
    (
        "sns: MessageId empty",
        |n| n["MessageId"] = json!(""),
        undecodable("event envelope: `id` is empty"),
    ),
    (
        "sns: MessageId a list",
        |n| n["MessageId"] = json!([]),
        undecodable("SNS envelope: `MessageId` is no string"),
    ),
    (
        "sns: TopicArn empty",
        |n| n["TopicArn"] = json!(""),
        undecodable("event envelope: `source` is empty"),
    ),
    (
        "sns: TopicArn a number",
        |n| n["TopicArn"] = json!(1),
        undecodable("SNS envelope: `TopicArn` is no string"),
    ),
    // Without these two it is no notification.
    (
        "sns: TopicArn absent",
        |n| n["TopicArn"] = Value::Null,
        UNTYPED,
    ),
    (
        "sns: Message absent",
        |n| n["Message"] = Value::Null,
        UNTYPED,
    ),
    (
        "sns: Message an object",
        |n| n["Message"] = json!({}),
        undecodable("SNS envelope: `Message` is no string"),
    ),
    ("sns: Message empty", |n| n["Message"] = json!(""), NO_JSON),
    (
        "sns: Message plain",
        |n| n["Message"] = json!(CANARY),
        NO_JSON,
    ),
    (
        "sns: attributes absent",
        |n| n["MessageAttributes"] = Value::Null,
        UNTYPED,
    ),
    (
        "sns: attributes a list",
        |n| n["MessageAttributes"] = json!([1]),
        MALFORMED,
    ),
    (
        "sns: type a number",
        |n| n["MessageAttributes"]["type"]["Value"] = json!(7),
        MALFORMED,
    ),
    (
        "sns: type unknown",
        |n| n["MessageAttributes"]["type"]["Value"] = json!("b"),
        End::Waits,
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let changed = NOTIFICATIONS.iter().map(|(name, change, end)| {
        let mut changed = notification(name, &order(name).to_string());
        change(&mut changed);
        Case::new(*name, changed.to_string(), end.clone())
    });
    changed.chain(notified()).collect()
}

/// What a topic makes of a message with the attribute `type`.
fn notification(name: &str, message: &str) -> Value {
    json!({
        "Type": "Notification", "MessageId": name, "TopicArn": "arn:aws:sns:eu-central-1:0:hostile",
        "Subject": CANARY, "Message": message, "Timestamp": "2010-12-01T08:26:00Z",
        "SignatureVersion": "1", "Signature": CANARY, "UnsubscribeURL": CANARY,
        "MessageAttributes": { "type": { "Type": "String", "Value": "order.placed" } },
    })
}

/// Events inside notifications, and what a topic without an envelope delivers.
fn notified() -> Vec<Case> {
    let inside = |name: &str, message: Value, end| {
        Case::new(
            name,
            notification(name, &message.to_string()).to_string(),
            end,
        )
    };
    let mut nameless = event("sns: an event without an id");
    nameless["id"] = Value::Null;
    let mut other = event("sns: an event of another version");
    other["specversion"] = json!("0.3");
    let nested = |name: &str, levels: u32| {
        let innermost = order(name).to_string();
        let envelope = (0..levels).fold(innermost, |message, _| {
            notification(name, &message).to_string()
        });
        // Nobody subscribes a topic to a topic: the data is an envelope, and no order.
        let reason = "data does not fit the schema at `.`: missing field `order_id`";
        Case::new(name, envelope, undecodable(reason))
    };
    vec![
        inside("sns: an event", event("sns: an event"), BILLED),
        inside(
            "sns: an event without an id",
            nameless,
            undecodable("CloudEvents envelope: `id` is missing"),
        ),
        inside(
            "sns: an event of another version",
            other,
            undecodable("CloudEvents envelope: `specversion` is not 1.0"),
        ),
        nested("sns: in itself", 2),
        nested("sns: in itself nine times", 9),
        Case::bare("sns: raw delivery", BILLED),
    ]
}
