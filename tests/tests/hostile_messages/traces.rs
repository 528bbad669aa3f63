//! Trace contexts: a malformed one never costs the event.

use fleet::message::AttributeValue;
use serde_json::{Value, json};

use super::case::{BILLED, CANARY, Case};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) fn cases() -> Vec<Case> {
    let long = format!("{TRACE}-{}", CANARY.repeat(2_000));
    let parents: [(&str, &str); 14] = [
        ("empty", ""),
        ("a word", CANARY),
        ("one part", "00"),
        (
            "no flags",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        ),
        (
            "zeros for a trace",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ),
        (
            "zeros for a span",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ),
        (
            "capitals",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        ),
        (
            "no digits",
            "00-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-b7ad6b7169203331-01",
        ),
        (
            "version ff",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("more than version 00 has", &long),
        (
            "characters cut in two",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-€€",
        ),
        (
            "full-width digits",
            "００-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        (
            "a line break",
            "00-0af7651916cd43dd8448eb211c80319c\n-b7ad6b7169203331-01",
        ),
        (
            "blanks around",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
        ),
    ];
    let mut cases = Vec::new();
    for (what, parent) in parents {
        let name = format!("traceparent: {what}");
        cases.push(Case::changed(
            &name,
            |e| e["traceparent"] = json!(parent),
            BILLED,
        ));
        // SQS takes no attribute that is empty.
        if !parent.is_empty() {
            let name = format!("traceparent as an attribute: {what}");
            cases.push(Case::good(&name).with("traceparent", AttributeValue::string(parent)));
        }
    }
    for value in [json!(7), json!([TRACE]), json!({ "a": TRACE }), Value::Null] {
        let name = format!("traceparent {value}");
        cases.push(Case::changed(&name, |e| e["traceparent"] = value, BILLED));
    }
    cases.extend(states());
    cases.extend(headers());
    cases
}

fn states() -> Vec<Case> {
    let long = format!("a={}", CANARY.repeat(1_000));
    let members: Vec<_> = (0..200).map(|key| format!("k{key}=v")).collect();
    let states = [
        ("of 13,000 characters", long),
        ("of 200 members", members.join(",")),
        ("without a key", format!("={CANARY}")),
        ("of one key twice", "a=1,a=2".to_owned()),
        ("with controls", "a=\r\n\t,b=x".to_owned()),
    ];
    let case = |(what, state): (&str, String)| {
        let traced = |e: &mut Value| {
            e["traceparent"] = json!(TRACE);
            e["tracestate"] = json!(state);
        };
        let attribute = AttributeValue::string(&*state);
        [
            Case::changed(&format!("tracestate {what}"), traced, BILLED),
            Case::good(&format!("tracestate as an attribute {what}"))
                .with("traceparent", AttributeValue::string(TRACE))
                .with("tracestate", attribute),
        ]
    };
    states.into_iter().flat_map(case).collect()
}

/// What an `AWSTraceHeader` should not be.
fn headers() -> Vec<Case> {
    let headers = [
        CANARY.to_owned(),
        "Root=;Parent=;Sampled=".to_owned(),
        "Root=1-5759e988;Parent=53995c3f42cd8ad8".to_owned(),
        "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=1".to_owned(),
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?".to_owned(),
        format!("Root={}", "1-".repeat(5_000)),
        ";=;=;=\r\n".repeat(100),
    ];
    let case = |(number, header): (usize, String)| {
        let mut case = Case::good(&format!("AWSTraceHeader {number}"));
        case.message.trace_header = Some(header);
        case
    };
    headers.into_iter().enumerate().map(case).collect()
}
