//! CloudEvents whose members are absent, of the wrong kind, too long, or not what they should be.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::case::{BILLED, Case, End, Row, UNTYPED, changes, undecodable};

/// The members without which an event is none.
const REQUIRED: [&str; 3] = ["id", "source", "type"];

/// What a key takes at most: `KEY_PART_BYTES_MAX`.
const KEY_BYTES_MAX: usize = 1024;

const OTHER_VERSION: End = undecodable("CloudEvents envelope: `specversion` is not 1.0");

const NO_VERSION: End = undecodable("CloudEvents envelope: `specversion` is no string");

const VERSIONS: &[Row] = &[
    (
        "specversion 0.3",
        |e| e["specversion"] = json!("0.3"),
        OTHER_VERSION,
    ),
    (
        "specversion 2.0",
        |e| e["specversion"] = json!("2.0"),
        OTHER_VERSION,
    ),
    (
        "specversion 1.0.2",
        |e| e["specversion"] = json!("1.0.2"),
        OTHER_VERSION,
    ),
    (
        "specversion in blanks",
        |e| e["specversion"] = json!(" 1.0 "),
        OTHER_VERSION,
    ),
    (
        "specversion empty",
        |e| e["specversion"] = json!(""),
        OTHER_VERSION,
    ),
    (
        "specversion a number",
        |e| e["specversion"] = json!(1.0),
        NO_VERSION,
    ),
    (
        "specversion a list",
        |e| e["specversion"] = json!(["1.0"]),
        NO_VERSION,
    ),
    // What is null is not there, and without it this is no CloudEvent.
    (
        "specversion null",
        |e| e["specversion"] = Value::Null,
        UNTYPED,
    ),
    (
        "Specversion",
        |e| {
            e["Specversion"] = e["specversion"].take();
        },
        UNTYPED,
    ),
];

const ENCODED: End = undecodable("CloudEvents envelope: `data_base64` is not supported");

const NO_DATA: End =
    undecodable("data does not fit the schema at `.`: invalid type: null, expected an object");

const DATA: &[Row] = &[
    ("data null", |e| e["data"] = Value::Null, NO_DATA),
    (
        "data a string",
        |e| e["data"] = e["data"].to_string().into(),
        undecodable(
            "data does not fit the schema at `.`: invalid type: string, expected an object",
        ),
    ),
    (
        "data a number",
        |e| e["data"] = json!(7),
        undecodable(
            "data does not fit the schema at `.`: invalid type: integer, expected an object",
        ),
    ),
    (
        "data a boolean",
        |e| e["data"] = json!(false),
        undecodable(
            "data does not fit the schema at `.`: invalid type: boolean, expected an object",
        ),
    ),
    (
        "data a list",
        |e| e["data"] = json!([e["data"].take()]),
        undecodable(
            "data does not fit the schema at `.`: invalid type: sequence, expected an object",
        ),
    ),
    // Serde would read these as the fields of an order in their sequence.
    (
        "data a list of fields",
        |e| e["data"] = json!(["1", "7", "GBP", "2010-12-01T08:26:00Z", "F", "", false, []]),
        undecodable(
            "data does not fit the schema at `.`: invalid type: sequence, expected an object",
        ),
    ),
    (
        "data empty",
        |e| e["data"] = json!({}),
        undecodable("data does not fit the schema at `.`: missing field `order_id`"),
    ),
    (
        "data_base64 beside data",
        |e| e["data_base64"] = json!("e30="),
        ENCODED,
    ),
    (
        "data_base64 alone",
        |e| {
            e["data"] = Value::Null;
            e["data_base64"] = json!("e30=");
        },
        ENCODED,
    ),
    (
        "data_base64 null",
        |e| e["data_base64"] = Value::Null,
        BILLED,
    ),
    // The body is JSON whatever is said of it, and nothing else is read.
    (
        "xml by its own word",
        |e| e["datacontenttype"] = json!("application/xml"),
        BILLED,
    ),
    (
        "a content type of none",
        |e| e["datacontenttype"] = json!(7),
        BILLED,
    ),
    (
        "a schema elsewhere",
        |e| e["dataschema"] = json!("file:///etc/passwd"),
        BILLED,
    ),
    (
        "prototypes",
        |e| e["__proto__"] = json!({ "type": "order.cancelled" }),
        BILLED,
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = REQUIRED.into_iter().flat_map(required).collect();
    cases.extend(changes(VERSIONS));
    cases.extend(data());
    cases
}

/// What may be wrong with a required member, whichever it is.
fn required(member: &str) -> Vec<Case> {
    let says = |format: &str, problem: &str| End::Dead {
        class: "undecodable",
        reason: Cow::Owned(format!("{format} envelope: `{member}` {problem}")),
    };
    let of_format = |problem| says("CloudEvents", problem);
    let of_key = |problem: &str| says("event", problem);
    let too_long = |bytes: usize| of_key(&format!("has {bytes} bytes, at most 1024 are allowed"));
    let table = [
        ("null", Value::Null, of_format("is missing")),
        ("a number", json!(7), of_format("is no string")),
        ("a boolean", json!(true), of_format("is no string")),
        ("a list", json!(["a"]), of_format("is no string")),
        ("an object", json!({ "a": 1 }), of_format("is no string")),
        ("empty", json!(""), of_key("is empty")),
        ("a NUL", json!("\0"), of_key("contains U+0000")),
        ("a NUL inside", json!("a\0b"), of_key("contains U+0000")),
        (
            "1,025 bytes",
            json!("i".repeat(KEY_BYTES_MAX + 1)),
            too_long(KEY_BYTES_MAX + 1),
        ),
        // 342 characters of three bytes.
        ("1,026 bytes", json!("€".repeat(342)), too_long(1026)),
        ("10,000 bytes", json!("i".repeat(10_000)), too_long(10_000)),
    ];
    let case = |(what, value, end): (&str, Value, End)| {
        let name = format!("{member}: {what}");
        Case::changed(&name, |event| event[member] = value, end)
    };
    let mut cases: Vec<_> = table.into_iter().map(case).collect();
    let absent = |event: &mut Value| drop(event.as_object_mut().map(|event| event.remove(member)));
    let name = format!("{member}: absent");
    cases.push(Case::changed(&name, absent, of_format("is missing")));
    cases
}

fn data() -> Vec<Case> {
    let absent = |event: &mut Value| drop(event.as_object_mut().map(|event| event.remove("data")));
    let mut cases = changes(DATA);
    cases.push(Case::changed("data absent", absent, NO_DATA));
    let many = |event: &mut Value| {
        for number in 0..5_000 {
            event[format!("extension{number}")] = json!(number);
        }
    };
    cases.push(Case::changed("5,000 extensions", many, BILLED));
    cases
}
