//! Message attributes, and bodies that have nothing but them to say what they are.

use fleet::message::AttributeValue;
use serde_json::json;

use super::case::{BILLED, CANARY, Case, End, UNTYPED, order, undecodable};

/// Bytes that are no text in any encoding.
const NO_TEXT: &[u8] = &[
    0xff, 0xfe, 0x00, 0x1b, b'c', b'4', b'n', b'4', b'r', b'y', 0xc3, 0x28,
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(ids());
    cases.extend(unread());
    cases
}

fn types() -> Vec<Case> {
    let typed =
        |name: &str, value, end| Case::new(name, order(name).to_string(), end).with("type", value);
    let text = |kind: &str, value: &str| AttributeValue::text(kind, value);
    let too_long = undecodable("event envelope: `type` has 10000 bytes, at most 1024 are allowed");
    vec![
        Case::new("bare: no type", order("bare: no type").to_string(), UNTYPED),
        typed("bare: a type of text", string("order.placed"), BILLED),
        typed(
            "bare: a type of text.custom",
            text("String.type", "order.placed"),
            BILLED,
        ),
        typed(
            "bare: a type that is a number",
            text("Number", "7"),
            End::Waits,
        ),
        typed(
            "bare: a type in bytes",
            AttributeValue::binary("Binary", *b"order.placed"),
            UNTYPED,
        ),
        typed(
            "bare: a type in other bytes",
            AttributeValue::binary("Binary", NO_TEXT),
            UNTYPED,
        ),
        typed("bare: a type of line feeds", string("\r\n\t"), End::Waits),
        typed(
            "bare: a type turned around",
            string("\u{202e}decalp.redro"),
            End::Waits,
        ),
        typed(
            "bare: a type of 10,000",
            string("t".repeat(10_000)),
            too_long,
        ),
        typed(
            "bare: a type of a separator",
            string("order\u{2028}placed"),
            End::Waits,
        ),
        // The names of attributes have a case.
        Case::new("bare: Type", order("bare: Type").to_string(), UNTYPED)
            .with("Type", string("order.placed")),
        Case::new(
            "bare: of another schema",
            json!({ "canary": CANARY }).to_string(),
            undecodable("data does not fit the schema at `.`: missing field `order_id`"),
        )
        .with("type", string("order.placed")),
        // The body names its type itself, and the attribute is only for filters.
        Case::good("a type beside another").with("type", string("order.cancelled")),
        Case::good("a type in bytes beside another")
            .with("type", AttributeValue::binary("Binary", NO_TEXT)),
    ]
}

fn ids() -> Vec<Case> {
    let identified = |name: &str, value, end| Case::bare(name, end).with("id", value);
    let too_long = undecodable("event envelope: `id` has 10000 bytes, at most 1024 are allowed");
    vec![
        identified(
            "bare: an id that is a number",
            AttributeValue::text("Number.int", "-1e3"),
            BILLED,
        ),
        // What is no text is no id: the first message that carried the event is.
        identified(
            "bare: an id in bytes",
            AttributeValue::binary("Binary.id", NO_TEXT),
            BILLED,
        ),
        identified("bare: an id of a line feed", string("\n"), BILLED),
        identified(
            "bare: an id turned around",
            string("\u{202e}\u{2066}"),
            BILLED,
        ),
        identified(
            "bare: an id of SQL",
            string("'); delete from fleet.inbox; --"),
            BILLED,
        ),
        identified("bare: an id of 1,024", string("i".repeat(1024)), BILLED),
        identified(
            "bare: an id of 10,000",
            string("i".repeat(10_000)),
            too_long,
        ),
    ]
}

/// Attributes that nobody asked for; a dead letter keeps them all.
fn unread() -> Vec<Case> {
    let many = |mut case: Case, values: &dyn Fn(usize) -> AttributeValue| {
        for number in case.message.attributes.len()..10 {
            case = case.with(&format!("a{number}"), values(number));
        }
        case
    };
    let broken = |name: &str| Case::new(name, CANARY, super::case::NO_JSON);
    let texts = |number| AttributeValue::string(format!("{CANARY}{number}"));
    let bytes = |number| AttributeValue::binary(format!("Binary.{CANARY}{number}"), NO_TEXT);
    let large = |_| AttributeValue::string(CANARY.repeat(6_000));
    let reserved = |name: &str| Case::good(name).with(name, string(CANARY));
    vec![
        many(Case::good("ten attributes"), &texts),
        many(Case::good("ten attributes of bytes"), &bytes),
        many(broken("ten attributes and no JSON"), &texts),
        many(broken("ten attributes of bytes and no JSON"), &bytes),
        many(broken("ten attributes of a megabyte"), &large),
        many(Case::bare("ten attributes of a bare order", BILLED), &texts),
        reserved("fleet_replay"),
        reserved("fleet_key"),
        reserved("fleet_failure.json"),
        reserved("fleet_attempts"),
        reserved("Fleet_Failure"),
        reserved("ce_type"),
        reserved("ce-id"),
        reserved("contentType"),
        reserved("DeadLetterQueueSourceArn"),
        reserved("ApproximateReceiveCount"),
        reserved("AWSTraceHeader"),
        Case::good("a name of 256").with(&"n".repeat(256), string(CANARY)),
        Case::good("a value that steers")
            .with("a", string(format!("\r\n\u{202e}{CANARY}\u{9b}2J"))),
        Case::good("a number of 38 digits")
            .with("n", AttributeValue::text("Number", "9".repeat(38))),
        Case::good("traceparent in bytes")
            .with("traceparent", AttributeValue::binary("Binary", NO_TEXT)),
        Case::good("tracestate in bytes")
            .with("tracestate", AttributeValue::binary("Binary", NO_TEXT)),
        grouped("a group of 128", &"g".repeat(128)),
        grouped(
            "a group of punctuation",
            "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        ),
    ]
}

/// A tenant's name on a standard queue.
fn grouped(name: &str, group: &str) -> Case {
    let mut case = Case::good(name);
    case.message.group_id = Some(group.to_owned());
    case
}

fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::string(text)
}
