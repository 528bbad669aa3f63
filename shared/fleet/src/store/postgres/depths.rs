use std::time::Duration;

use jiff::Timestamp;

use super::sql::render;
use super::{PostgresStore, Row};
use crate::store::StoreError;

/// How far the clocks of two machines may be apart.
const SKEW: Duration = Duration::from_secs(60);

const REMEMBER: &str = r"
    insert into {schema}.depths
        (queue, looked_at, lag_secs, waiting_since, empty_since, received_at, oldest_sent,
         capacity, dead_empty_since, dead_empty_until)
    values ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (queue) do update set
        looked_at = excluded.looked_at, lag_secs = excluded.lag_secs,
        waiting_since = excluded.waiting_since, empty_since = excluded.empty_since,
        received_at = excluded.received_at, oldest_sent = excluded.oldest_sent,
        capacity = excluded.capacity,
        dead_empty_since = excluded.dead_empty_since,
        dead_empty_until = excluded.dead_empty_until";

const RECALL: &str = r"
    select waiting_since, empty_since, received_at, oldest_sent, capacity,
        dead_empty_since, dead_empty_until
    from {schema}.depths where queue = $1";

const LAGS: &str = r"
    select queue, lag_secs from {schema}.depths
    where looked_at > clock_timestamp() - make_interval(secs => $1)";

/// A letter that a replay has brought back is in its queue no more.
const OLDEST_DEAD: &str = r"
    select min(failed_at) as oldest, count(*) as letters
    from (
        select d.failed_at from {schema}.dead_letters d
        where d.queue = $1 and d.failed_at > $2
            and not exists (
                select from {schema}.replay_entries e
                where e.queue = d.queue and e.message_id = d.copy_id and e.deleted_at is not null)
        order by d.failed_at limit $3
    ) as open";

/// What is remembered of a queue between two looks at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DepthMemory {
    /// Since when it has held a backlog.
    pub waiting_since: Option<Timestamp>,
    /// Since when it has been counted as empty.
    pub empty_since: Option<Timestamp>,
    /// When a receive last brought something.
    pub received_at: Option<Timestamp>,
    /// When the oldest was sent that it brought at about that time.
    pub oldest_sent: Option<Timestamp>,
    /// Messages a second that one process gets done.
    pub capacity: Option<f64>,
    /// Since when the dead-letter queue has been counted as empty.
    pub dead_empty_since: Option<Timestamp>,
    /// Until when the dead-letter queue surely was empty.
    pub dead_empty_until: Option<Timestamp>,
}

impl PostgresStore {
    /// Writes down what the process that measures a queue knows of it, and the lag that it found.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn remember_depth(
        &self,
        queue: &str,
        lag: Duration,
        memory: &DepthMemory,
    ) -> Result<(), StoreError> {
        let sql = render(REMEMBER, &self.shared.schema);
        let DepthMemory {
            waiting_since,
            empty_since,
            received_at,
            oldest_sent,
            capacity,
            dead_empty_since,
            dead_empty_until,
        } = memory;
        self.query(
            &sql,
            &[
                &queue,
                &lag.as_secs_f64(),
                waiting_since,
                empty_since,
                received_at,
                oldest_sent,
                capacity,
                dead_empty_since,
                dead_empty_until,
            ],
        )
        .await
        .map(drop)
    }

    /// Reads what the process that measured a queue before knew of it, if there was one.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn recall_depth(&self, queue: &str) -> Result<Option<DepthMemory>, StoreError> {
        let sql = render(RECALL, &self.shared.schema);
        let rows = self.query(&sql, &[&queue]).await?;
        Ok(rows.first().map(memory_of))
    }

    /// Reads the lags of all queues that were measured within this time, by the queue's name.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn lags(&self, within: Duration) -> Result<Vec<(String, Duration)>, StoreError> {
        let sql = render(LAGS, &self.shared.schema);
        let rows = self.query(&sql, &[&within.as_secs_f64()]).await?;
        let lag = |row: &Row| Duration::try_from_secs_f64(row.get(1)).unwrap_or_default();
        Ok(rows.iter().map(|row| (row.get(0), lag(row))).collect())
    }

    /// Returns since when the oldest letter has lain in a dead-letter queue that was empty before
    /// `since` and holds `letters` now; `None` where the records do not speak of that many.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn oldest_dead_letter(
        &self,
        queue: &str,
        since: Timestamp,
        letters: u32,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = render(OLDEST_DEAD, &self.shared.schema);
        let since = since.checked_sub(SKEW).unwrap_or(since);
        let letters = i64::from(letters);
        let rows = self.query(&sql, &[&queue, &since, &letters]).await?;
        let explained = rows.first().filter(|row| row.get::<_, i64>(1) >= letters);
        Ok(explained.and_then(|row| row.get(0)))
    }
}

fn memory_of(row: &Row) -> DepthMemory {
    DepthMemory {
        waiting_since: row.get("waiting_since"),
        empty_since: row.get("empty_since"),
        received_at: row.get("received_at"),
        oldest_sent: row.get("oldest_sent"),
        capacity: row.get("capacity"),
        dead_empty_since: row.get("dead_empty_since"),
        dead_empty_until: row.get("dead_empty_until"),
    }
}
