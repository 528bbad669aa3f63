use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Serialize;

use super::sql::render;
use super::{PostgresStore, Row};
use crate::store::StoreError;

/// The largest ledger of attempts that is looked through for its latest rows: no index leads to
/// them, because every failure would have to pay for it. This much is read in a tenth of a second.
const LEDGER_BYTES_MAX: i64 = 32 * 1024 * 1024;

const LEDGER_BYTES: &str = "select pg_relation_size('{schema}.attempts')";

const DEAD: &str = r"
    select failed_at as at, consumer, 'dead-lettered' as what, event_type, event_id, reason
    from {schema}.dead_letters order by failed_at desc limit $1";

/// What was let go without anybody's fault is no failure. The ledger has no types; where the event
/// went through the outbox, that knows it.
const FAILED: &str = r"
    select a.at, a.consumer, a.outcome as what, o.event_type, a.event_id, a.reason
    from (
        select * from {schema}.attempts
        where outcome not in ('released', 'contended', 'started', 'finished')
        order by at desc limit $1) a
    left join {schema}.outbox o
        on o.event_id = a.event_id and o.source = a.source and o.destination = a.consumer";

/// One thing that did not end well, without anything of the message's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecentFailure {
    /// When.
    pub at: Timestamp,
    /// The consumer.
    pub consumer: String,
    /// `dead-lettered`, or the outcome of the attempt.
    pub what: String,
    /// The type of the event, where it is known.
    pub event_type: Option<String>,
    /// The id of the event, where it is known.
    pub event_id: Option<String>,
    /// The stable phrase.
    pub reason: String,
}

/// What went wrong of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecentFailures {
    /// The latest first.
    pub latest: Vec<RecentFailure>,
    /// Whether attempts are among them; a ledger that is too large is not looked through.
    pub has_attempts: bool,
}

impl PostgresStore {
    /// Reads what went wrong last: dead letters, and attempts while their ledger is small.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn recent_failures(&self, limit: u32) -> Result<RecentFailures, StoreError> {
        let schema = &self.shared.schema;
        let most = i64::from(limit);
        let mut rows = self.query(&render(DEAD, schema), &[&most]).await?;
        let size = self.query(&render(LEDGER_BYTES, schema), &[]).await?;
        let bytes: i64 = size.first().map_or(0, |row| row.get(0));
        let has_attempts = bytes <= LEDGER_BYTES_MAX;
        if has_attempts {
            rows.extend(self.query(&render(FAILED, schema), &[&most]).await?);
        }
        let mut latest: Vec<_> = rows.iter().map(failure_of).collect();
        latest.sort_by_key(|failure| Reverse(failure.at));
        latest.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(RecentFailures {
            latest,
            has_attempts,
        })
    }
}

fn failure_of(row: &Row) -> RecentFailure {
    RecentFailure {
        at: row.get("at"),
        consumer: row.get("consumer"),
        what: row.get("what"),
        event_type: row.get("event_type"),
        event_id: row.get("event_id"),
        reason: row.get("reason"),
    }
}
