//! Dead letters as the fleet buries them.

use std::collections::BTreeMap;

use fleet::message::{EventKey, FAILURE_ATTRIBUTE, Failure, FailureClass};
use jiff::Timestamp;
use serde_json::Value;
use sqs_local::{MessageAttributeValue, MessageAttributes};

use crate::books::{Books, placed};
use crate::site::Site;

/// Says why an event of orders died.
pub fn failure(event_type: &str, id: &str, reason: &str) -> Failure {
    let now = Timestamp::now();
    Failure {
        class: FailureClass::Permanent,
        reason: reason.to_owned(),
        detail: None,
        consumer: "billing".to_owned(),
        queue: "billing".to_owned(),
        event_type: Some(event_type.to_owned()),
        key: EventKey::new("/fleet/orders", id),
        message_id: format!("original-of-{id}"),
        attempts: 1,
        receives: 1,
        first_sent_at: now,
        failed_at: now,
        version: None,
        replay_no: 0,
        edited: None,
        history: Vec::new(),
        displaced: Vec::new(),
    }
}

/// Makes the attributes of a copy that carries its failure.
pub fn marked(failure: &Failure) -> MessageAttributes {
    let json = serde_json::to_string(failure).expect("it has string keys");
    let value = MessageAttributeValue::string(json);
    [(FAILURE_ATTRIBUTE.to_owned(), value)].into()
}

/// Buries an order that was placed, and returns the MessageId of its copy.
pub async fn bury_order(site: &Site, order: &Value, reason: &str) -> String {
    let id = order["order_id"].as_str().expect("it is text");
    bury(site, &placed(order), &failure("order.placed", id, reason)).await
}

/// Buries a body, and returns the MessageId of the copy.
pub async fn bury(site: &Site, body: &str, failure: &Failure) -> String {
    site.dead_letters.send(body, marked(failure)).await
}

/// Counts the rows of every table of a database.
pub async fn rows(books: &Books) -> BTreeMap<String, u64> {
    let tables = "select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema')";
    let mut rows = BTreeMap::new();
    for table in books.rows(tables).await {
        let table = table["name"].as_str().expect("it is text").to_owned();
        let count = books.count(&table).await;
        rows.insert(table, count);
    }
    rows
}
