use fleet::message::{EventKey, FAILURE_ATTRIBUTE, Failure, FailureClass, MessageId};
use fleet_tests::books::{order, placed};
use fleet_tests::mailbox::Counts;
use fleet_tests::process::{Process, Signal};
use fleet_tests::site::Site;
use jiff::Timestamp;
use serde_json::Value;
use sqs_local::{MessageAttributeValue, MessageAttributes};

pub(crate) const INVOICES: &str = "billing.invoices";

/// How long a message is hidden while it is replayed, in tests that kill somebody meanwhile.
pub(crate) const LEASE: &str = "6s";

/// A reason that no good order has.
pub(crate) const OUTAGE: &str = "the price list was missing";

/// Buries orders that are good by now, and were not when they died.
pub(crate) async fn bury_orders(site: &Site, ids: std::ops::Range<u64>) {
    for id in ids {
        bury(site, &order(&id.to_string(), 1), OUTAGE).await;
    }
}

/// Buries an order that nobody can ever bill.
pub(crate) async fn bury_hopeless(site: &Site, id: &str) {
    let mut order = order(id, 1);
    order["customer_id"] = Value::Null;
    bury(site, &order, "no customer").await;
}

/// Buries an order as the fleet does, and returns the MessageId of its copy.
pub(crate) async fn bury(site: &Site, order: &Value, reason: &str) -> String {
    let id = order["order_id"].as_str().expect("it is text");
    let attributes = marked(&failure(id, reason));
    site.dead_letters.send(&placed(order), attributes).await
}

/// Says why an order died.
pub(crate) fn failure(id: &str, reason: &str) -> Failure {
    let now = Timestamp::now();
    Failure {
        class: FailureClass::Permanent,
        reason: reason.to_owned(),
        detail: None,
        consumer: "billing".to_owned(),
        version: None,
        queue: "billing".to_owned(),
        event_type: Some("order.placed".to_owned()),
        key: EventKey::new("/fleet/orders", id),
        message_id: MessageId(format!("original-of-{id}")).0,
        attempts: 1,
        receives: 1,
        first_sent_at: now,
        failed_at: now,
        replay_no: 0,
        edited: None,
        history: Vec::new(),
        displaced: Vec::new(),
    }
}

/// Makes the attributes of a copy that carries its failure.
pub(crate) fn marked(failure: &Failure) -> MessageAttributes {
    let json = serde_json::to_string(failure).expect("it has string keys");
    let value = MessageAttributeValue::string(json);
    [(FAILURE_ATTRIBUTE.to_owned(), value)]
        .into_iter()
        .collect()
}

/// Ends a process in order.
pub(crate) async fn end(process: Process) {
    process.signal(Signal::Terminate);
    process.ended().await.with_code(0);
}

/// Checks that so many orders are billed once each, that nothing failed anew, and that the
/// dead-letter queue is empty.
pub(crate) async fn assert_done_once(site: &Site, orders: u64) {
    site.books.until_count(INVOICES, orders).await;
    site.queue.until_holds(0).await;
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
    assert_eq!(site.books.count("fleet.inbox").await, orders);
    assert_eq!(site.books.count("fleet.attempts where charged").await, 0);
    assert_eq!(site.books.count("fleet.dead_letters").await, 0);
}
