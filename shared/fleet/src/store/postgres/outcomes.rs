use super::PostgresStore;
use super::sql::render;
use crate::message::EventKey;
use crate::store::{ReplayFailure, StoreError};

const DONE: &str = r"
    select k.n from unnest($2::text[], $3::text[]) with ordinality as k (source, id, n)
    where exists (
        select from {schema}.inbox i
        where i.consumer = $1 and i.source = k.source and i.id = k.id)
    order by k.n";

const UNDONE: &str = r"
    select e.message_id from {schema}.replay_entries e
    where e.replay_id = $1 and e.state <> 'planned'
        and not exists (
            select from {schema}.inbox i
            where i.consumer = $2 and i.source = e.source and i.id = e.event_id)";

/// A failure belongs to a replay by the MessageId that SQS gave to what was sent, and needs no
/// clock; where an answer was lost and the send repeated, a death does by its event and its time.
const FAILURES: &str = r"
    select distinct on (e.message_id) e.message_id, e.source, e.event_id, e.event_type,
        coalesce(e.fingerprint, '') as fingerprint, f.reason, f.is_dead
    from (
        select message_id, source, event_id, reason, true as is_dead, failed_at as at, copy_id
        from {schema}.dead_letters d
        where consumer = $2 and failed_at > (select started_at from {schema}.replays where id = $1)
                - interval '1 hour'
        union all
        select message_id, source, event_id, reason, false, at, null
        from {schema}.attempts
        where consumer = $2 and charged
            and at > (select started_at from {schema}.replays where id = $1) - interval '1 hour'
    ) f
    join {schema}.replay_entries e
        on e.event_id = f.event_id and e.source = f.source and e.replay_id = $1
    where f.message_id = e.sent_message_id
        or (f.is_dead and f.at > e.sent_at and f.copy_id <> e.message_id)
    order by e.message_id, f.is_dead desc, f.at";

impl PostgresStore {
    /// Tells which of these events a consumer has done, by their places in the slice.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn events_done(
        &self,
        consumer: &str,
        keys: &[EventKey],
    ) -> Result<Vec<usize>, StoreError> {
        let (sources, ids): (Vec<&str>, Vec<&str>) = keys
            .iter()
            .map(|key| (key.source.as_str(), key.id.as_str()))
            .unzip();
        let sql = render(DONE, &self.shared.schema);
        let rows = self.query(&sql, &[&consumer, &sources, &ids]).await?;
        let place = |n: i64| usize::try_from(n - 1).ok();
        Ok(rows.iter().filter_map(|row| place(row.get("n"))).collect())
    }

    /// Returns the MessageIds of the dead letters that a replay has sent and whose events a
    /// consumer has not done.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn replayed_undone(
        &self,
        replay: i64,
        consumer: &str,
    ) -> Result<Vec<String>, StoreError> {
        let sql = render(UNDONE, &self.shared.schema);
        let rows = self.query(&sql, &[&replay, &consumer]).await?;
        Ok(rows.iter().map(|row| row.get("message_id")).collect())
    }

    /// Reads what a replay has sent and what failed anew since: dead again, or an attempt charged.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn replayed_failures(
        &self,
        replay: i64,
        consumer: &str,
    ) -> Result<Vec<ReplayFailure>, StoreError> {
        let sql = render(FAILURES, &self.shared.schema);
        let rows = self.query(&sql, &[&replay, &consumer]).await?;
        let failures = rows.iter().map(|row| ReplayFailure {
            message_id: row.get("message_id"),
            key: EventKey::new(
                row.get::<_, String>("source"),
                row.get::<_, String>("event_id"),
            ),
            event_type: row.get("event_type"),
            fingerprint: row.get("fingerprint"),
            reason: row.get("reason"),
            is_dead: row.get("is_dead"),
        });
        Ok(failures.collect())
    }
}
