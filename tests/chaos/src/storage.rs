//! What the database holds in the end.

use std::collections::BTreeMap;

use fleet::store::{PostgresStore, Row, StoreError};

use crate::checker::{Checker, Entry, Letter};

/// Rows of one fetch: a few megabytes, however many there are in all.
const FETCH_ROWS: u32 = 20_000;

/// Tells a checker of everything in the database; of dead letters it has to know the queue already.
///
/// # Errors
///
/// The database does not answer.
pub async fn tell(store: &PostgresStore, checker: &mut Checker<'_>) -> Result<(), StoreError> {
    let entries = "select event_id, from_account, to_account, amount from ledger.entries";
    walk(store, "entries", entries, |row| {
        checker.booked(&Entry {
            event_id: row.get(0),
            from: row.get(1),
            to: row.get(2),
            amount: row.get(3),
        });
    })
    .await?;
    let claims = "select source, id from fleet.inbox";
    walk(store, "claims", claims, |row| {
        checker.claimed(row.get(0), row.get(1))
    })
    .await?;
    let outbox = "select event_id, sent_at is not null and discarded_at is null from fleet.outbox";
    walk(store, "outbox", outbox, |row| {
        checker.posted(row.get(0), row.get(1))
    })
    .await?;
    let letters = "select copy_id, event_id, reason from fleet.dead_letters";
    walk(store, "letters", letters, |row| {
        checker.recorded(&Letter {
            copy_id: row.get(0),
            event_id: row.get(1),
            reason: row.get(2),
        });
    })
    .await?;
    checker.balances(&balances(store).await?);
    Ok(())
}

/// Counts what is still to be sent.
///
/// # Errors
///
/// As [`tell`].
pub async fn unsent(store: &PostgresStore) -> Result<u64, StoreError> {
    let unsent = "select count(*) from fleet.outbox where sent_at is null";
    let rows = store.query(unsent, &[]).await?;
    Ok(u64::try_from(rows[0].get::<_, i64>(0)).unwrap_or(0))
}

/// Counts the attempts on record by their outcome.
///
/// # Errors
///
/// As [`tell`].
pub async fn attempts(store: &PostgresStore) -> Result<BTreeMap<String, i64>, StoreError> {
    let attempts = "select outcome, count(*) from fleet.attempts group by outcome";
    let rows = store.query(attempts, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn balances(store: &PostgresStore) -> Result<BTreeMap<i32, i64>, StoreError> {
    let rows = store
        .query("select id, balance from ledger.accounts", &[])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Reads all rows of a query through a cursor. Each needs a name of its own, because statements are
/// prepared once and know the columns of what they fetch.
async fn walk(
    store: &PostgresStore,
    name: &str,
    query: &str,
    mut take: impl FnMut(&Row),
) -> Result<(), StoreError> {
    let tx = store.begin().await?;
    tx.execute(&format!("declare {name} cursor for {query}"), &[])
        .await?;
    let fetch = format!("fetch {FETCH_ROWS} from {name}");
    loop {
        let rows = tx.query(&fetch, &[]).await?;
        if rows.is_empty() {
            tx.rollback().await;
            return Ok(());
        }
        rows.iter().for_each(&mut take);
    }
}
