use jiff::Timestamp;

use super::sql::render;
use super::{PostgresStore, Row};
use crate::store::{
    NewReplay, Replay, ReplayCounts, ReplayKind, ReplayState, StoreError, StoreErrorClass,
};

const BEGIN: &str = r"
    insert into {schema}.replays
        (kind, queue, destination, consumer, filter, rate, who, cut_at, messages_max, state)
    values ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9, 'running')
    returning id";

/// What was stopped or killed goes on; what is done does not.
const RESUME: &str = r"
    update {schema}.replays
    set state = 'running', ended_at = null, stopped_reason = null, rate = coalesce($2, rate)
    where id = $1 and state <> 'done'
    returning id";

const END: &str = r"
    update {schema}.replays
    set state = $2, stopped_reason = $3, moved = coalesce($4, moved), ended_at = clock_timestamp()
    where id = $1";

const REPLAYS: &str = r"
    select r.id, r.kind, r.queue, r.destination, r.consumer, r.filter::text as filter, r.rate,
        r.who, r.started_at, r.ended_at, r.state, r.stopped_reason, r.cut_at, r.messages_max,
        r.moved, coalesce(e.planned, 0) as planned, coalesce(e.sent, 0) as sent,
        coalesce(e.deleted, 0) as deleted, coalesce(e.copies, 0) as copies, e.last_at
    from {schema}.replays r
    left join lateral (
        select count(*) filter (where state = 'planned') as planned,
            count(*) filter (where state = 'sent') as sent,
            count(*) filter (where state = 'deleted') as deleted,
            count(sent_message_id) - count(distinct sent_message_id) as copies,
            max(at) as last_at
        from {schema}.replay_entries where replay_id = r.id
    ) e on true
    where {which}
    order by r.id desc
    limit $2";

impl PostgresStore {
    /// Writes down that a replay begins, and returns its number.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn begin_replay(&self, new: &NewReplay) -> Result<i64, StoreError> {
        let sql = render(BEGIN, &self.shared.schema);
        let max = new.messages_max.map(bigint);
        let rows = self
            .query(
                &sql,
                &[
                    &new.kind.as_str(),
                    &new.queue,
                    &new.destination,
                    &new.consumer,
                    &new.filter,
                    &new.rate,
                    &new.who,
                    &new.cut_at,
                    &max,
                ],
            )
            .await?;
        let row = rows.first().expect("an insert returns its row");
        Ok(row.get("id"))
    }

    /// Writes down that a replay goes on, and tells whether there is one that is not done.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn resume_replay(&self, id: i64, rate: Option<f64>) -> Result<bool, StoreError> {
        let sql = render(RESUME, &self.shared.schema);
        Ok(!self.query(&sql, &[&id, &rate]).await?.is_empty())
    }

    /// Writes down that a replay ends, and why if it is not done.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn end_replay(
        &self,
        id: i64,
        state: ReplayState,
        reason: Option<&str>,
        moved: Option<u64>,
    ) -> Result<(), StoreError> {
        let sql = render(END, &self.shared.schema);
        let moved = moved.map(bigint);
        self.query(&sql, &[&id, &state.as_str(), &reason, &moved])
            .await
            .map(drop)
    }

    /// Reads what is known of a replay.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn replay(&self, id: i64) -> Result<Option<Replay>, StoreError> {
        let sql = self.replays_where("r.id = $1");
        let rows = self.query(&sql, &[&id, &1_i64]).await?;
        rows.first().map(replay_of).transpose()
    }

    /// Reads the latest replays, of one dead-letter queue or of all, the latest first.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn replays(
        &self,
        queue: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Replay>, StoreError> {
        let sql = self.replays_where("$1::text is null or r.queue = $1");
        let rows = self.query(&sql, &[&queue, &i64::from(limit)]).await?;
        rows.iter().map(replay_of).collect()
    }

    fn replays_where(&self, which: &str) -> String {
        render(&REPLAYS.replace("{which}", which), &self.shared.schema)
    }
}

fn replay_of(row: &Row) -> Result<Replay, StoreError> {
    let count = |name: &str| u64::try_from(row.get::<_, i64>(name)).unwrap_or_default();
    let some_count = |name: &str| {
        let count: Option<i64> = row.get(name);
        count.map(|count| u64::try_from(count).unwrap_or_default())
    };
    let unknown = |what: &str| {
        let why = format!("a replay has a {what} that this release does not know");
        StoreError::new(StoreErrorClass::Statement, why)
    };
    Ok(Replay {
        id: row.get("id"),
        kind: ReplayKind::named(row.get("kind")).ok_or_else(|| unknown("kind"))?,
        queue: row.get("queue"),
        destination: row.get("destination"),
        consumer: row.get("consumer"),
        filter: row.get("filter"),
        rate: row.get("rate"),
        who: row.get("who"),
        started_at: row.get::<_, Timestamp>("started_at"),
        ended_at: row.get("ended_at"),
        state: ReplayState::named(row.get("state")).ok_or_else(|| unknown("state"))?,
        stopped_reason: row.get("stopped_reason"),
        cut_at: row.get("cut_at"),
        messages_max: some_count("messages_max"),
        moved: some_count("moved"),
        counts: ReplayCounts {
            planned: count("planned"),
            sent: count("sent"),
            deleted: count("deleted"),
            copies: count("copies"),
        },
        last_at: row.get("last_at"),
    })
}

/// Fits a count into a column.
pub(super) fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
