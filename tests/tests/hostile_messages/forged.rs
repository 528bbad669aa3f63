//! `fleet_failure` as somebody else writes it, who may send to the queue.
//!
//! One that the fleet itself could have written is believed, as that of a replay: whoever sends it
//! could have sent the event itself. Any other stays what it is, an attribute of a stranger's.

use fleet::message::{AttributeValue, FAILURE_ATTRIBUTE};
use fleet_tests::graves::failure;
use serde_json::{Value, json};

use super::case::{BILLED, CALM, CANARY, Case, End, NO_JSON, order, refused};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = malformed();
    cases.extend(believed());
    cases.extend(impossible());
    cases
}

/// A failure as the fleet writes it, changed.
fn forged(id: &str, change: impl FnOnce(&mut Value)) -> AttributeValue {
    let failure = failure("order.placed", id, "forged");
    let mut failure = serde_json::to_value(failure).expect("a failure has string keys");
    change(&mut failure);
    AttributeValue::string(failure.to_string())
}

fn malformed() -> Vec<Case> {
    let texts = [
        ("a word", CANARY.to_owned()),
        ("an empty object", "{}".to_owned()),
        ("a list", "[[[[]]]]".to_owned()),
        ("null", "null".to_owned()),
        (
            "cut short",
            "{\"class\":\"permanent\",\"reason\":\"".to_owned(),
        ),
        ("deep", "[".repeat(10_000)),
        ("huge", CANARY.repeat(20_000)),
        (
            "of an unknown class",
            "{\"class\":\"resurrected\"}".to_owned(),
        ),
        ("with controls", "\r\n\t\u{202e}\u{2028}".to_owned()),
    ];
    let cases = texts.into_iter().flat_map(|(what, text)| {
        let alive = format!("forged: {what}");
        let dead = format!("forged: {what}, of no JSON");
        let value = AttributeValue::string(text);
        [
            Case::good(&alive).with(FAILURE_ATTRIBUTE, value.clone()),
            Case::new(dead, CANARY, NO_JSON).with(FAILURE_ATTRIBUTE, value),
        ]
    });
    let bytes = AttributeValue::binary("Binary", *b"{\"class\":\"permanent\"}");
    let number = AttributeValue::text("Number", "1");
    cases
        .chain([
            Case::good("forged: bytes").with(FAILURE_ATTRIBUTE, bytes),
            Case::good("forged: a number").with(FAILURE_ATTRIBUTE, number),
        ])
        .collect()
}

fn believed() -> Vec<Case> {
    let of_another = |case: Case| case.with(FAILURE_ATTRIBUTE, forged("another", |_| {}));
    let mut nobody = order("forged: of another, no customer");
    nobody["customer_id"] = Value::Null;
    let nobody = Case::new(
        "forged: of another, no customer",
        nobody.to_string(),
        refused("no customer"),
    );
    let bare = |name: &str, end, id: &str, change: fn(&mut Value)| {
        Case::bare(name, end).with(FAILURE_ATTRIBUTE, forged(id, change))
    };
    vec![
        // The envelope says who it is.
        of_another(Case::good("forged: of another")),
        of_another(Case::new("forged: of another, no JSON", CANARY, NO_JSON)),
        // A bare order is who its failure says, and nothing that was done is done twice.
        bare("forged: of nobody yet", BILLED, "nobody yet", |_| {}),
        bare("forged: of a finished event", End::DoneBefore, CALM, |f| {
            f["key"]["source"] = json!("/hostile")
        }),
        nobody
            .with("type", AttributeValue::string("order.placed"))
            .with(FAILURE_ATTRIBUTE, forged("nobody at all", |_| {})),
        bare(
            "forged: attempts beyond all",
            BILLED,
            "attempts beyond all",
            |f| {
                f["attempts"] = json!(u32::MAX);
                f["receives"] = json!(u32::MAX);
                f["replay_no"] = json!(u32::MAX);
            },
        ),
        bare("forged: of tomorrow", BILLED, "of tomorrow", |f| {
            f["first_sent_at"] = json!("2999-01-01T00:00:00Z");
            f["failed_at"] = json!("2999-01-01T00:00:00Z");
        }),
        bare("forged: a long history", BILLED, "a long history", |f| {
            let past = json!({
                "receive": 1, "outcome": CANARY, "reason": CANARY, "at": "2010-12-01T08:26:00Z",
            });
            f["history"] = json!(vec![past; 1_000]);
        }),
        bare("forged: in itself", BILLED, "in itself", |f| {
            let inner = f.to_string();
            f["displaced"] =
                json!([{ "name": FAILURE_ATTRIBUTE, "data_type": "String", "text": inner }]);
        }),
    ]
}

/// Failures that nobody has ever written, because no queue and no table would have taken them.
fn impossible() -> Vec<Case> {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 14] = [
        ("an id with a NUL", |f| f["key"]["id"] = json!("a\0b")),
        ("an empty id", |f| f["key"]["id"] = json!("")),
        ("an id of 10,000", |f| {
            f["key"]["id"] = json!("i".repeat(10_000))
        }),
        ("an empty source", |f| f["key"]["source"] = json!("")),
        ("a source of 10,000", |f| {
            f["key"]["source"] = json!("s".repeat(10_000))
        }),
        ("before all time", |f| {
            f["first_sent_at"] = json!("-009999-01-03T00:00:00Z")
        }),
        ("dead before all time", |f| {
            f["failed_at"] = json!("-009999-01-03T00:00:00Z")
        }),
        ("an attribute without a name", |f| {
            f["displaced"] = displaced("", "String", "v")
        }),
        ("a reserved attribute", |f| {
            f["displaced"] = displaced("AWS.a", "String", "v")
        }),
        ("an attribute of blanks", |f| {
            f["displaced"] = displaced("a b", "String", "v")
        }),
        ("an attribute of no type", |f| {
            f["displaced"] = displaced("a", "Text", "v")
        }),
        ("an attribute without a value", |f| {
            f["displaced"] = displaced("a", "String", "")
        }),
        ("an attribute of controls", |f| {
            f["displaced"] = displaced("a", "String", "\u{1b}\0")
        }),
        ("eleven attributes", |f| {
            let many = (0..11).map(|number| json!({ "name": format!("a{number}"), "data_type": "String", "text": "v" }));
            f["displaced"] = many.collect();
        }),
    ];
    let cases = table.into_iter().flat_map(|(what, change)| {
        let (alive, dead) = (
            format!("forged: {what}"),
            format!("forged: {what}, of no JSON"),
        );
        let value = forged(what, |failure| {
            failure["reason"] = json!(CANARY);
            change(failure);
        });
        [
            Case::bare(&alive, BILLED).with(FAILURE_ATTRIBUTE, value.clone()),
            Case::new(dead, CANARY, NO_JSON).with(FAILURE_ATTRIBUTE, value),
        ]
    });
    cases.collect()
}

fn displaced(name: &str, data_type: &str, text: &str) -> Value {
    json!([{ "name": name, "data_type": data_type, "text": text }])
}
