use std::collections::{HashMap, HashSet};

use fleet::store::{PostgresTransaction, StoreError};

use super::door::Entry;

/// Inserted in one order everywhere, so that two writers never wait for each other in a circle.
const INSERT_NEW: &str = "
    insert into orders.orders (order_id, customer_id, currency, placed_at, cancelled, content)
    select order_id, customer_id, currency, placed_at, cancelled, content::json
    from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[], $6::text[])
        as o (order_id, customer_id, currency, placed_at, cancelled, content)
    order by order_id
    on conflict do nothing
    returning order_id";

const READ_CONTENTS: &str = "
    select order_id, content::text
    from orders.orders
    where order_id = any ($1)";

/// Inserts the orders whose ids are free, and returns these ids.
///
/// An id that an open transaction is about to take is waited for.
pub(super) async fn insert_new(
    tx: &PostgresTransaction,
    entries: &[&Entry],
) -> Result<HashSet<String>, StoreError> {
    let orders = || entries.iter().map(|entry| &entry.order);
    let ids: Vec<&str> = orders().map(|order| order.order_id.as_str()).collect();
    let customers: Vec<Option<&str>> = orders().map(|order| order.customer_id.as_deref()).collect();
    let currencies: Vec<&str> = orders().map(|order| order.currency.as_str()).collect();
    let times: Vec<_> = orders().map(|order| order.placed_at).collect();
    let cancelled: Vec<bool> = orders().map(|order| order.cancelled).collect();
    let contents: Vec<&str> = entries.iter().map(|entry| entry.content.as_str()).collect();
    let rows = tx
        .query(
            INSERT_NEW,
            &[&ids, &customers, &currencies, &times, &cancelled, &contents],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("order_id")).collect())
}

/// Reads the contents that stand under these ids.
pub(super) async fn read_contents(
    tx: &PostgresTransaction,
    ids: &[&str],
) -> Result<HashMap<String, String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.query(READ_CONTENTS, &[&ids]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get("order_id"), row.get("content")))
        .collect())
}
