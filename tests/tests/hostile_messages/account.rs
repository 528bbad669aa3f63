use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use fleet::message::{Failure, Message};
use fleet::queue::Queue as _;
use fleet_tests::process::Ended;
use serde_json::Value;

use super::case::{Case, End};
use super::stage::Stage;

/// Checks that there are the expected invoices, and no others.
pub(crate) async fn check_books(stage: &Stage) {
    let query = "select order_id, currency, total_minor from billing.invoices";
    let found: BTreeMap<_, _> = stage
        .site
        .books
        .rows(query)
        .await
        .iter()
        .map(|row| {
            let total = row["total_minor"].as_i64().expect("it is a bigint");
            (text(&row["order_id"]), (text(&row["currency"]), total))
        })
        .collect();
    let expected = stage.sent.values().filter_map(|case| match case.end {
        End::Billed {
            currency,
            total_minor,
        } => Some((case.name.clone(), (currency.to_owned(), total_minor))),
        End::Dead { .. } | End::Waits | End::DoneBefore => None,
    });
    assert_same(&found, &expected.collect());
    assert_eq!(stage.site.books.count("billing.credit_notes").await, 0);
}

/// Checks that each expected dead letter is there once, whole, with its reason, and no other.
pub(crate) async fn check_dead_letters(stage: &Stage) {
    let query = "select copy_id, message_id, class, reason from fleet.dead_letters";
    let mut copies = copies(stage).await;
    let mut found = BTreeMap::new();
    for row in stage.site.books.rows(query).await {
        let (id, reason) = (text(&row["message_id"]), text(&row["reason"]));
        let case = &stage.sent[&id];
        let copy = copies.remove(&text(&row["copy_id"]));
        let copy = copy.unwrap_or_else(|| panic!("{}: its copy is lost", case.name));
        check_copy(case, &id, &reason, &copy);
        let again = found.insert(case.name.clone(), (text(&row["class"]), reason));
        assert_eq!(again, None, "dead-lettered twice: {}", case.name);
    }
    let unrecorded: Vec<_> = copies.values().map(|copy| &copy.failure).collect();
    assert!(unrecorded.is_empty(), "without a record: {unrecorded:?}");
    let expected = stage.sent.values().filter_map(|case| match &case.end {
        End::Dead { class, reason } => {
            // A reason that goes on is compared as far as it is expected.
            let whole = found.get(&case.name).map(|(_, reason)| reason);
            let reason = match (reason.strip_suffix('…'), whole) {
                (Some(beginning), Some(whole)) if whole.starts_with(beginning) => whole.clone(),
                _ => reason.to_string(),
            };
            Some((case.name.clone(), ((*class).to_owned(), reason)))
        }
        End::Billed { .. } | End::Waits | End::DoneBefore => None,
    });
    assert_same(&found, &expected.collect());
}

/// Compares what became of cases, and shows only those of which something else became.
#[track_caller]
fn assert_same<T: PartialEq + Debug>(found: &BTreeMap<String, T>, expected: &BTreeMap<String, T>) {
    let names: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differs = |name: &&&String| found.get(**name) != expected.get(**name);
    let shown = names.iter().filter(differs).map(|name| {
        let (found, expected) = (found.get(*name), expected.get(*name));
        format!("{name}: {found:?}, expected {expected:?}")
    });
    let shown: Vec<_> = shown.collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Checks that a copy is what was sent, and says why it is dead.
fn check_copy(case: &Case, id: &str, reason: &str, copy: &Message) {
    let (name, sent) = (&case.name, &case.message);
    assert!(copy.body == sent.body, "{name}: its body is another");
    let mut attributes = sent.attributes.clone();
    // A failure that is believed is the message's own, and goes on in the next.
    Failure::unfold(&mut attributes);
    assert_eq!(copy.attributes, attributes, "{name}");
    assert_eq!(copy.group_id, sent.group_id, "{name}");
    assert_eq!(copy.trace_header, sent.trace_header, "{name}");
    let failure = copy.failure.as_ref();
    let says = failure.map(|failure| (failure.message_id.as_str(), failure.reason.as_str()));
    assert_eq!(says, Some((id, reason)), "{name}");
}

async fn copies(stage: &Stage) -> BTreeMap<String, Message> {
    let mut copies = BTreeMap::new();
    loop {
        let received = stage.dead_letters.receive(10, Duration::ZERO).await;
        let received = received.expect("SQS answers");
        if received.is_empty() {
            break;
        }
        let received = received.into_iter();
        copies.extend(received.map(|copy| (copy.id.0.clone(), copy)));
    }
    // As any look at dead letters ends.
    let receipts: Vec<_> = copies.values().map(|copy| copy.receipt.clone()).collect();
    for chunk in receipts.chunks(10) {
        let shown: Vec<_> = chunk
            .iter()
            .map(|receipt| (receipt.clone(), Duration::ZERO))
            .collect();
        let shown = stage.dead_letters.change_visibility(&shown).await;
        shown.expect("SQS answers");
    }
    copies
}

/// Checks that what waits was given back without a charge, and nothing else was.
pub(crate) async fn check_waiting(stage: &Stage) {
    let query = "select message_id, charged from fleet.attempts";
    let rows = stage.site.books.rows(query).await;
    let found = rows.iter().map(|row| {
        let case = &stage.sent[&text(&row["message_id"])];
        (case.name.clone(), row["charged"].clone())
    });
    let waits = stage.ending(|end| *end == End::Waits);
    let expected = waits.map(|(_, case)| (case.name.clone(), Value::from(false)));
    assert_same(&found.collect(), &expected.collect());
}

/// Checks that the log tells of each message once, by its MessageId, how it ended.
pub(crate) fn check_log(stage: &Stage, ended: &Ended) {
    let mut told = BTreeMap::new();
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        if let (Some(id), Some(settlement)) = (line["message.id"].as_str(), line.get("settlement"))
        {
            let settlement = (text(settlement), text(&line["outcome"]));
            let again = told.insert(id.to_owned(), settlement);
            assert_eq!(again, None, "told twice: {}", stage.sent[id].name);
        }
    }
    assert_eq!(told.len(), stage.sent.len());
    for (id, case) in &stage.sent {
        let expected = match &case.end {
            End::Billed { .. } => ("deleted", "processed"),
            End::Dead {
                class: "permanent", ..
            } => ("dead_lettered", "rejected"),
            End::Dead { class, .. } => ("dead_lettered", *class),
            End::Waits => ("released", "unknown_type"),
            End::DoneBefore => ("deleted", "duplicate"),
        };
        let (settlement, outcome) = &told[id];
        assert_eq!(
            (settlement.as_str(), outcome.as_str()),
            expected,
            "{}",
            case.name
        );
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is text").to_owned()
}
