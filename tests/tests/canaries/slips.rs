use serde_json::{Value, json};

use super::marks::{ATTRIBUTE, BODY, CARD, EMAIL, LONG_CARD, NAME, TRACE};

/// A message, and what is to become of it.
#[derive(Debug)]
pub(super) struct Slip {
    /// The error path that it takes.
    pub(super) path: &'static str,
    pub(super) body: String,
    pub(super) attributes: Vec<(String, String)>,
    /// The outcome that its line names.
    pub(super) outcome: &'static str,
}

/// Returns a message for each way in which one can end, but for those that hold up others.
pub(super) fn all() -> Vec<Slip> {
    [unreadable(), misfits(), failures(), escorted()]
        .into_iter()
        .flatten()
        .collect()
}

/// Makes a message whose handler fails so.
pub(super) fn failing(path: &'static str, fails: &str, outcome: &'static str) -> Slip {
    of_data(path, &data(fails, path), outcome)
}

fn data(fails: &str, path: &str) -> Value {
    let tag = path.replace(' ', "-");
    json!({ "fails": fails, "email": format!("{tag}.{EMAIL}"), "name": NAME, "card": CARD })
}

fn of_data(path: &'static str, data: &Value, outcome: &'static str) -> Slip {
    of_event(path, &json!({ "data": data }), outcome)
}

/// Makes an event of its members, with those that it lacks.
fn of_event(path: &'static str, members: &Value, outcome: &'static str) -> Slip {
    let mut event = json!({
        "specversion": "1.0", "id": path, "source": "/tests", "type": "slip",
        "time": "2026-01-01T00:00:00Z",
    });
    let all = event.as_object_mut().expect("it is an object");
    for (name, value) in members.as_object().expect("members have names") {
        all.insert(name.clone(), value.clone());
    }
    of_body(path, &event.to_string(), outcome)
}

fn of_body(path: &'static str, body: &str, outcome: &'static str) -> Slip {
    Slip {
        path,
        body: body.to_owned(),
        attributes: Vec::new(),
        outcome,
    }
}

/// What is no event.
fn unreadable() -> Vec<Slip> {
    let sns = json!({ "TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "MessageId": "1",
                      "Message": BODY });
    let bridge = json!({ "detail-type": "slip", "source": "s", "id": "1", "detail": BODY });
    let s3 = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": BODY, "s3": BODY }] });
    let undecodable = |path, body: &str| of_body(path, body, "undecodable");
    let event = |path, members: Value| of_event(path, &members, "undecodable");
    vec![
        undecodable("body is not JSON", BODY),
        undecodable(
            "body breaks off",
            &format!(r#"{{"specversion":"1.0","data":"{BODY}"#),
        ),
        undecodable("body is a list", &json!([BODY]).to_string()),
        undecodable("body is a string", &json!(BODY).to_string()),
        undecodable(
            "bare JSON without a type",
            &json!({ BODY: BODY }).to_string(),
        ),
        undecodable("SNS", &sns.to_string()),
        undecodable("EventBridge", &bridge.to_string()),
        undecodable("S3", &s3.to_string()),
        event("version", json!({ "specversion": BODY })),
        event("time", json!({ "time": BODY, "data": BODY })),
        event("type of a wrong kind", json!({ "type": { BODY: 1 } })),
        event("id of a wrong kind", json!({ "id": [BODY] })),
        event("no source", json!({ "source": "", "data": BODY })),
        event("binary data", json!({ "data_base64": BODY })),
        event("no data", json!({ BODY: BODY })),
        undecodable(
            "lone surrogate",
            &data("not", "surrogate")
                .to_string()
                .replace(CARD, &format!("{CARD}\\ud800")),
        ),
    ]
}

/// What is an event whose data does not fit.
fn misfits() -> Vec<Slip> {
    let with = |path, member: &str, value: Value| {
        let mut data = data("not", path);
        data[member] = value;
        of_data(path, &data, "undecodable")
    };
    vec![
        with("data of a wrong kind", "name", json!({ EMAIL: NAME })),
        with("a text for a map", "prices", json!(EMAIL)),
        with("a text for a number", "prices", json!({ EMAIL: CARD })),
        with("an unknown variant", "fails", json!(CARD)),
        with("a variant with content", "fails", json!({ CARD: NAME })),
        with("a type's own words", "card", json!(LONG_CARD)),
        of_data("data is a text", &json!(NAME), "undecodable"),
        of_data("fields are missing", &json!({ EMAIL: NAME }), "undecodable"),
    ]
}

/// What its handler fails with.
fn failures() -> Vec<Slip> {
    vec![
        failing("no failure", "not", "processed"),
        failing("a permanent failure", "permanently", "rejected"),
        failing("a cause that quotes", "with_serde", "failed"),
        failing("a duplicate key", "at_uniqueness", "failed"),
        failing("a failed check", "at_check", "failed"),
        failing("a missing value", "at_null", "failed"),
        failing("a value that is no number", "at_cast", "rejected"),
        failing("a function's own words", "at_raise", "failed"),
        failing("a late constraint", "at_commit", "failed"),
        failing("a column of another type", "at_column", "panicked"),
        failing("a panic with a text", "panicking_text", "panicked"),
        failing("a panic with a value", "panicking_value", "panicked"),
        failing("a timeout", "hanging", "timed_out"),
        of_data(
            "a character that Postgres lacks",
            &json!({ "fails": "not", "email": EMAIL, "name": format!("{NAME}\0"), "card": CARD }),
            "rejected",
        ),
    ]
}

/// What brings along more than it should.
fn escorted() -> Vec<Slip> {
    let unknown = json!({ "type": "slip.unknown", "data": NAME });
    let mut crowded = failing("no room for the reason", "permanently", "rejected");
    for number in 0..7 {
        let value = format!("{ATTRIBUTE} {}", "x".repeat(number));
        crowded
            .attributes
            .push((format!("{ATTRIBUTE}{number}"), value));
    }
    let mut traced = failing("a trace that is none", "permanently", "rejected");
    let context = format!("00-{TRACE}-{TRACE}-01");
    traced.attributes.push(("traceparent".to_owned(), context));
    vec![
        of_event("an unknown type", &unknown, "unknown_type"),
        crowded,
        traced,
    ]
}
