use std::collections::{BTreeMap, BTreeSet};

use fleet_tests::mailbox::{Counts, Mailbox};
use serde_json::{Value, json};

use crate::case::Case;
use crate::letters::{Letter, bookings, graves, order};
use crate::points::{Kind, Story};
use crate::stage::Stage;

/// How often a copy may be there whose sender was killed before it knew.
const COPIES_MAX: usize = 2;

/// Checks that nothing was lost, nothing doubled, and nobody blamed.
pub(crate) async fn check(case: Case, stage: &Stage, letters: &[Letter]) {
    booked_once(stage, letters).await;
    told_downstream(case, stage, letters).await;
    buried(case, stage, letters).await;
    assert_eq!(stage.queue.counts().await, Counts::NONE);
    honest(case, stage).await;
    match case.point.story {
        Story::Replay => journaled(stage, letters).await,
        _ if case.kind == Kind::Fifo => in_order(stage, letters).await,
        _ => {}
    }
}

/// Every transfer has one entry and one claim, and the balances are their sums.
async fn booked_once(stage: &Stage, letters: &[Letter]) {
    let bookings = bookings(letters);
    let once: BTreeMap<&str, u64> = bookings.keys().map(|event| (*event, 1)).collect();
    let entries = "select event_id as name, count(*) as n from ledger.entries group by 1";
    assert_eq!(json!(counts(stage, entries).await), json!(once), "entries");
    let claims = "select id as name, count(*) as n from fleet.inbox
                  where consumer = 'ledger' group by 1";
    assert_eq!(json!(counts(stage, claims).await), json!(once), "claims");
    let mut balances: BTreeMap<String, i64> = BTreeMap::new();
    for transfer in bookings.values() {
        *balances.entry(transfer.from.to_string()).or_default() -= transfer.amount;
        *balances.entry(transfer.to.to_string()).or_default() += transfer.amount;
    }
    balances.retain(|_, balance| *balance != 0);
    let accounts = "select id::text as name, balance as n from ledger.accounts where balance <> 0";
    let accounts = counts(stage, accounts).await;
    assert_eq!(json!(accounts), json!(balances), "balances");
}

/// Every booking has one row in the outbox, and was heard of downstream.
async fn told_downstream(case: Case, stage: &Stage, letters: &[Letter]) {
    let posted = |event: &&str| format!("posted-{event}");
    let posted: BTreeSet<_> = bookings(letters).keys().map(posted).collect();
    let once: BTreeMap<_, _> = posted.iter().map(|event| (event, 1)).collect();
    let rows = "select event_id as name, count(*) as n from fleet.outbox group by 1";
    assert_eq!(json!(counts(stage, rows).await), json!(once), "outbox");
    let heard: Vec<_> = bodies(&stage.downstream).await;
    let heard: Vec<_> = heard.iter().map(|body| event_of(body)).collect();
    let distinct: BTreeSet<_> = heard.iter().cloned().collect();
    assert_eq!(distinct, posted, "downstream");
    // A FIFO queue swallows what a killed relay has sent before.
    if case.kind == Kind::Fifo || case.point.story != Story::Relay {
        assert_eq!(heard.len(), posted.len(), "downstream: {heard:?}");
    }
}

/// What failed for good lies in the dead-letter queue as it was sent, and nothing else does.
async fn buried(case: Case, stage: &Stage, letters: &[Letter]) {
    let graves = graves(letters);
    let copies = bodies(&stage.dead_letters).await;
    let copies_max = match case.kind {
        Kind::Standard => COPIES_MAX,
        // Copies of one message have one deduplication id.
        Kind::Fifo => 1,
    };
    for body in graves.values() {
        let copies = copies.iter().filter(|copy| copy == body).count();
        assert!((1..=copies_max).contains(&copies), "{copies} x {body}");
    }
    let strange = copies
        .iter()
        .find(|copy| !graves.values().any(|body| body == copy));
    assert_eq!(strange, None, "somebody died who should not");
    let rows = "select event_id as name, count(distinct class) as n from fleet.dead_letters
                where class = 'permanent' group by 1";
    let once: BTreeMap<_, _> = graves.keys().map(|event| (event, 1)).collect();
    assert_eq!(
        json!(counts(stage, rows).await),
        json!(once),
        "dead letters"
    );
    let others = "fleet.dead_letters where class <> 'permanent'";
    assert_eq!(stage.books.count(others).await, 0);
}

/// Charged is a failure that was asked for, and, of those that had started on record when their
/// process died, one attempt each.
async fn honest(case: Case, stage: &Stage) {
    let charged = "select message_id, event_id, outcome, count(*) as n
                   from fleet.attempts where charged group by 1, 2, 3";
    for row in stage.books.rows(charged).await {
        let is_just = match row["outcome"].as_str() {
            Some("failed") => row["event_id"] == "stumbles",
            Some("started") => case.point.story == Story::Suspects,
            _ => false,
        };
        assert!(is_just && row["n"] == 1, "charged: {row}");
    }
}

/// The journal knows of every dead letter that it was brought back.
async fn journaled(stage: &Stage, letters: &[Letter]) {
    let states = "select state as name, count(*) as n from fleet.replay_entries group by 1";
    let all = json!({ "deleted": letters.len() });
    assert_eq!(json!(counts(stage, states).await), all, "journal");
}

/// The transfers of a group were booked in the order in which they were sent.
async fn in_order(stage: &Stage, letters: &[Letter]) {
    let entries = "select event_id from ledger.entries order by at";
    let booked = stage.books.rows(entries).await;
    for (group, sent) in order(letters) {
        let booked = booked.iter().filter_map(|row| row["event_id"].as_str());
        let booked: Vec<_> = booked.filter(|event| sent.contains(event)).collect();
        assert_eq!(booked, sent, "group {group}");
    }
}

/// Reads columns `name` and `n`.
async fn counts(stage: &Stage, query: &str) -> BTreeMap<String, Value> {
    let rows = stage.books.rows(query).await;
    let count = |row: &Value| Some((row["name"].as_str()?.to_owned(), row["n"].clone()));
    rows.iter().filter_map(count).collect()
}

async fn bodies(queue: &Mailbox) -> Vec<String> {
    let messages = queue.peek().await;
    messages
        .iter()
        .map(|message| message.body.as_ref().to_owned())
        .collect()
}

fn event_of(body: &str) -> String {
    let event: Value = serde_json::from_str(body).expect("an event is JSON");
    event["id"].as_str().expect("it has an id").to_owned()
}
