use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;

use super::sql::render;
use super::{Params, PostgresStore};
use crate::store::StoreError;

const DAY: Duration = Duration::from_secs(86_400);

/// The longest that SQS keeps a message, in any queue.
const QUEUE_RETENTION_MAX: Duration = Duration::from_secs(14 * 86_400);

/// How long it is known that an event is done: longer than any copy of its message can be on its
/// way. It may wait for 14 days in its queue, for 14 more in the dead-letter queue, and, replayed
/// from there at the last moment, for 14 again. The rest is for clocks, and for a weekend.
pub const EVENTS_KEPT: Duration = Duration::from_secs(45 * 86_400);

const _: () = assert!(EVENTS_KEPT.as_secs() > 3 * QUEUE_RETENTION_MAX.as_secs());

/// How long a sent event can be looked up, and a second one with its id is dropped at the door.
const SENT_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// How long it is known what operators did: a quarter, after which nobody asks.
const DEEDS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// A table that is pruned.
#[derive(Debug)]
pub struct Prunable {
    /// Its name.
    pub table: &'static str,
    /// How long its rows are kept once they are over.
    pub kept: Duration,
    /// What is over since before `$1`, of a row `t`.
    over: &'static str,
}

/// Every table that grows. The entries of a replay go before the replay.
pub const PRUNABLE: [Prunable; 8] = [
    Prunable {
        table: "processes",
        // A process that has not shown itself for so long was killed.
        kept: DAY,
        over: "t.seen_at < $1",
    },
    Prunable {
        table: "pauses",
        kept: DEEDS_KEPT,
        // One that is on and has no end is neither.
        over: "coalesce(t.resumed_at, t.until) < $1",
    },
    Prunable {
        table: "replay_entries",
        kept: DEEDS_KEPT,
        over: "exists (select from {schema}.replays r where r.id = t.replay_id and coalesce(r.ended_at, r.started_at) < $1)",
    },
    Prunable {
        table: "replays",
        kept: DEEDS_KEPT,
        // One that was killed never ended.
        over: "coalesce(t.ended_at, t.started_at) < $1
            and not exists (select from {schema}.replay_entries e where e.replay_id = t.id)",
    },
    Prunable {
        table: "dead_letters",
        // As long as the event itself may come back, and so longer than the copy is in its queue.
        kept: EVENTS_KEPT,
        over: "t.failed_at < $1",
    },
    Prunable {
        table: "attempts",
        kept: EVENTS_KEPT,
        over: "t.at < $1",
    },
    Prunable {
        table: "outbox",
        kept: SENT_KEPT,
        // One that was never sent is never over.
        over: "t.sent_at < $1",
    },
    Prunable {
        table: "inbox",
        kept: EVENTS_KEPT,
        over: "t.processed_at < $1",
    },
];

/// The rows of a chunk are locked when they are deleted, and whoever holds one keeps it. The
/// pages bound what a chunk reads, and `{rows}` what it writes.
const PRUNE: &str = r"
    delete from {schema}.{table} where ctid = any (array(
        select t.ctid from {schema}.{table} t
        where t.ctid >= format('(%s,0)', $2::bigint)::tid
            and t.ctid < format('(%s,0)', $3::bigint)::tid
            and {over}
        limit $4
        for update of t skip locked))
    returning 1";

const MAY_PRUNE: &str = "select has_table_privilege('{schema}.inbox', 'delete')";

const MEASURE: &str = r"
    select clock_timestamp() as now,
        pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint as pages";

/// How much there is to look through, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The pages of the table.
    pub pages: u64,
    /// The time by the database's clock: one process's clock must not decide what is old.
    pub now: Timestamp,
}

impl Prunable {
    /// Returns the time before which a row has to be over.
    pub fn cutoff(&self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.kept).unwrap_or(Timestamp::MIN)
    }
}

impl PostgresStore {
    /// Measures a table that is to be pruned.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn measure(&self, prunable: &Prunable) -> Result<Extent, StoreError> {
        let table = render(
            &format!("{{schema}}.{}", prunable.table),
            &self.shared.schema,
        );
        let rows = self.query(MEASURE, &[&table]).await?;
        let row = rows.first().expect("the statement has always one row");
        Ok(Extent {
            pages: u64::try_from(row.get::<_, i64>("pages")).unwrap_or_default(),
            now: row.get("now"),
        })
    }

    /// Tells whether this user may prune: a relay's may not, where the roles are in use.
    ///
    /// # Errors
    ///
    /// As the class says.
    ///
    /// # Cancellation
    ///
    /// May be dropped at any time.
    pub async fn may_prune(&self) -> Result<bool, StoreError> {
        let rows = self
            .query(&render(MAY_PRUNE, &self.shared.schema), &[])
            .await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Deletes rows on some pages of a table that were over before a time, no more than
    /// `rows_max`, and returns how many there were.
    ///
    /// # Errors
    ///
    /// As the class says.
    ///
    /// # Cancellation
    ///
    /// The rows are deleted or they are not.
    pub async fn prune(
        &self,
        prunable: &Prunable,
        pages: &Range<u64>,
        before: Timestamp,
        rows_max: u32,
    ) -> Result<u64, StoreError> {
        let Prunable { table, over, .. } = prunable;
        let sql = PRUNE.replace("{table}", table).replace("{over}", over);
        let sql = render(&sql, &self.shared.schema);
        let page = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let params: Params<'_> = &[
            &before,
            &page(pages.start),
            &page(pages.end),
            &i64::from(rows_max),
        ];
        Ok(self.query(&sql, params).await?.len() as u64)
    }
}
