use std::collections::{HashMap, HashSet};

use fleet::NewEvent;
use fleet::store::{PostgresStore, PostgresTransaction, StoreError, StoreErrorClass};
use fleet_cli::Placement;

use super::door::{Entry, Refusal};
use super::event::event_of;
use super::sql;

/// What stands under the ids of a chunk once it is committed.
#[derive(Debug, Default)]
struct Stored {
    /// Ids that this chunk took.
    fresh: HashSet<String>,
    /// Contents of the ids that were taken before.
    before: HashMap<String, String>,
}

/// Places orders, one a line, all of them with their events in one transaction.
///
/// It answers for each line in its place. A line that is no order, or that uses
/// the id of another order, is refused and changes nothing; an order that was
/// placed before is a duplicate. Whether an order is a good one is not asked here.
///
/// Any number of processes may place the same lines at once: each order is
/// placed by one of them.
///
/// # Errors
///
/// The database failed, and nothing of this call is committed. After an error
/// of class `Unavailable` that came with the commit the outcome is unknown:
/// place the lines again, and those that got in are duplicates.
///
/// # Cancellation
///
/// Dropping the future places all of the lines or none.
pub async fn place(store: &PostgresStore, lines: &[&str]) -> Result<Vec<Placement>, StoreError> {
    let read: Vec<Result<Entry, Refusal>> = lines.iter().map(|line| Entry::read(line)).collect();
    let mut firsts: HashMap<&str, &Entry> = HashMap::new();
    let mut entries = Vec::new();
    for entry in read.iter().flatten() {
        firsts.entry(&entry.order.order_id).or_insert_with(|| {
            entries.push(entry);
            entry
        });
    }
    let stored = write(store, entries).await?;
    Ok(read
        .iter()
        .map(|line| match line {
            Err(refusal) => refusal.clone().into(),
            Ok(entry) => stored.answer(entry, firsts[entry.order.order_id.as_str()]),
        })
        .collect())
}

impl Stored {
    /// Answers for an entry; `first` is the one of this chunk that wanted the id first.
    fn answer(&self, entry: &Entry, first: &Entry) -> Placement {
        let id = &entry.order.order_id;
        let is_same = match self.before.get(id) {
            Some(content) => entry.is_same_as(content),
            None if !self.fresh.contains(id) => return Refusal::unstorable().into(),
            None if std::ptr::eq(entry, first) => return Placement::Placed,
            None => entry.order == first.order,
        };
        if is_same {
            Placement::Duplicate
        } else {
            Refusal::reused().into()
        }
    }
}

/// Writes what Postgres can hold, together; an entry that it refuses harms no other.
async fn write(store: &PostgresStore, entries: Vec<&Entry>) -> Result<Stored, StoreError> {
    if entries.is_empty() {
        return Ok(Stored::default());
    }
    match write_all(store, &entries).await {
        Err(error) if error.class == StoreErrorClass::Data => {}
        result => return result,
    }
    // The error does not say who it was. Each is tried alone and rolled back, so
    // that the rest still commits as one.
    let mut storable = Vec::new();
    for entry in entries {
        if is_storable(store, entry).await? {
            storable.push(entry);
        }
    }
    write_all(store, &storable).await
}

async fn write_all(store: &PostgresStore, entries: &[&Entry]) -> Result<Stored, StoreError> {
    let tx = store.begin().await?;
    let stored = insert_and_publish(&tx, entries).await?;
    tx.commit().await?;
    Ok(stored)
}

async fn is_storable(store: &PostgresStore, entry: &Entry) -> Result<bool, StoreError> {
    let tx = store.begin().await?;
    let tried = insert_and_publish(&tx, &[entry]).await;
    tx.rollback().await;
    match tried {
        Ok(_) => Ok(true),
        Err(error) if error.class == StoreErrorClass::Data => Ok(false),
        Err(error) => Err(error),
    }
}

/// Inserts the orders that are new and publishes their events.
async fn insert_and_publish(
    tx: &PostgresTransaction,
    entries: &[&Entry],
) -> Result<Stored, StoreError> {
    let fresh = sql::insert_new(tx, entries).await?;
    let (new, taken): (Vec<&Entry>, Vec<&Entry>) = entries
        .iter()
        .partition(|entry| fresh.contains(&entry.order.order_id));
    let taken: Vec<&str> = taken
        .iter()
        .map(|entry| entry.order.order_id.as_str())
        .collect();
    let events: Vec<NewEvent> = new
        .iter()
        .map(|entry| event_of(&entry.order, entry.content.clone()))
        .collect();
    // Polled together, the two share a round trip.
    let (published, before) = tokio::join!(tx.publish_all(&events), sql::read_contents(tx, &taken));
    published?;
    let before = before?;
    if before.len() < taken.len() {
        let why = "an order that stood in the way is gone";
        return Err(StoreError::new(StoreErrorClass::Conflict, why));
    }
    Ok(Stored { fresh, before })
}
