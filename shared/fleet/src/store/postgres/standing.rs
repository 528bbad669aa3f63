use super::PostgresStore;
use super::sql::render;
use crate::store::StoreError;

/// Rows of the outbox that no consumer has claimed and none has dead-lettered.
const OPEN: &str = r"
    select count(*) from {schema}.outbox o
    where o.parked_at is null
        and not exists (
            select from {schema}.inbox i
            where i.consumer = o.destination and i.source = o.source and i.id = o.event_id)
        and not exists (
            select from {schema}.dead_letters d
            where d.consumer = o.destination and d.source = o.source and d.event_id = o.event_id)";

const SEND_AGAIN: &str = r"
    with forgotten as (
        delete from {schema}.dead_letters
    )
    update {schema}.outbox o set sent_at = null
    where o.sent_at is not null
        and o.discarded_at is null
        and not exists (
            select from {schema}.inbox i
            where i.consumer = o.destination and i.source = o.source and i.id = o.event_id)
    returning 1";

/// A dead letter is counted once an event, however many copies of it there are.
const DEAD_BY_REASON: &str = r"
    select consumer, reason, count(distinct (source, event_id))
    from {schema}.dead_letters group by consumer, reason order by 3 desc, 2, 1";

/// How many events a consumer gave up on, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeadCount {
    /// The consumer.
    pub consumer: String,
    /// The stable phrase.
    pub reason: String,
    /// How many events.
    pub events: u64,
}

impl PostgresStore {
    /// Counts the events of the outbox that are neither done nor dead.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn count_open(&self) -> Result<u64, StoreError> {
        let rows = self.query(&render(OPEN, &self.shared.schema), &[]).await?;
        Ok(count(rows.first().map_or(0, |row| row.get(0))))
    }

    /// Lets the relay send again what no consumer has claimed, and returns how many events that is.
    ///
    /// It is for queues that live in memory: after their end the dead letters
    /// are gone with them, and are forgotten here.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn send_again(&self) -> Result<u64, StoreError> {
        let rows = self
            .query(&render(SEND_AGAIN, &self.shared.schema), &[])
            .await?;
        Ok(rows.len() as u64)
    }

    /// Counts the events that were given up on, by consumer and reason.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn count_dead(&self) -> Result<Vec<DeadCount>, StoreError> {
        let rows = self
            .query(&render(DEAD_BY_REASON, &self.shared.schema), &[])
            .await?;
        Ok(rows
            .iter()
            .map(|row| DeadCount {
                consumer: row.get(0),
                reason: row.get(1),
                events: count(row.get(2)),
            })
            .collect())
    }
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}
