use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};

use super::ledger::storable;
use super::sql::render;
use super::{PostgresStore, Row, Session};
use crate::store::{EntryState, Journaled, PlannedEntry, StoreError, StoreErrorClass};

/// Plans dead letters whose leases the caller has, and says what is known of each.
///
/// One that is planned and no more is taken over: whoever planned it has lost its lease, and did
/// not get as far as to say that it was sent. A copy of another one is known by what it says, and
/// by the same replay; what died as the message that was sent is no copy but its successor. One
/// that somebody has begun to edit is left to an edit: as it was, it would be another event.
const PLAN: &str = r"
    with given as materialized (
        select * from unnest(
            $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::boolean[]) with ordinality
            as g (message_id, source, event_id, event_type, fingerprint, content, died_as, edited, n)
    ), planned as (
        insert into {schema}.replay_entries
            (replay_id, planned_by, queue, message_id, source, event_id, event_type, fingerprint,
             content, edited, state)
        select $1, $1, $2, message_id, source, event_id, event_type, fingerprint, content, edited,
            'planned'
        from given
        order by message_id
        on conflict (queue, message_id) do update set
            replay_id = case
                when replay_entries.state = 'planned' and replay_entries.edited <= excluded.edited
                then excluded.replay_id else replay_entries.replay_id end,
            edited = case replay_entries.state
                when 'planned' then replay_entries.edited or excluded.edited
                else replay_entries.edited end,
            at = case
                when replay_entries.state = 'planned' and replay_entries.edited <= excluded.edited
                then clock_timestamp() else replay_entries.at end
        returning message_id, state, coalesce(planned_by, replay_id) as planned_by, edited
    )
    select p.state, p.planned_by, p.edited, copy.sent_message_id as sent_as
    from given g
    join planned p using (message_id)
    left join lateral (
        select e.sent_message_id from {schema}.replay_entries e
        where e.event_id = g.event_id and e.source = g.source
            and e.replay_id = $1 and e.content = g.content and e.message_id <> g.message_id
            and e.sent_message_id not in (g.died_as, g.message_id)
        limit 1
    ) copy on p.state = 'planned'
    order by g.n";

const SENT: &str = r"
    update {schema}.replay_entries e
    set state = 'sent', sent_message_id = s.sent_as, sent_at = clock_timestamp(),
        at = clock_timestamp()
    from unnest($2::text[], $3::text[]) as s (message_id, sent_as)
    where e.queue = $1 and e.message_id = s.message_id and e.state = 'planned'";

const DELETED: &str = r"
    update {schema}.replay_entries
    set state = 'deleted', deleted_at = clock_timestamp(), at = clock_timestamp()
    where queue = $1 and message_id = any ($2) and state = 'sent'";

/// What was sent so long ago that whoever received it for that has lost its lease.
const UNDELETED: &str = r"
    select message_id from {schema}.replay_entries
    where queue = $1 and state = 'sent' and at < clock_timestamp() - make_interval(secs => $2)";

/// How long others may still hide messages. Entries: of a replay that was killed, or goes on
/// elsewhere, or of this one before it was resumed. And what such a replay has received and not
/// planned: of that there is nothing but its last sign of life.
const HIDDEN: &str = r"
    select extract(epoch from
            holders.planned_at + make_interval(secs => $3) - clock_timestamp())::float8 as planned,
        extract(epoch from
            holders.alive_at + make_interval(secs => $3) - clock_timestamp())::float8 as unplanned
    from (
        select (
            select max(e.at) from {schema}.replay_entries e
            join {schema}.replays r on r.id = e.replay_id
            where e.queue = $1 and e.state <> 'deleted' and r.state = 'running'
                and (r.id <> $2 or e.at < clock_timestamp() - make_interval(secs => $4))
        ) as planned_at, (
            select max(greatest(r.started_at, (
                select max(e.at) from {schema}.replay_entries e where e.replay_id = r.id)))
            from {schema}.replays r
            where r.queue = $1 and r.id <> $2 and r.state = 'running' and r.kind = 'replay'
        ) as alive_at
    ) holders";

impl PostgresStore {
    /// Writes down that dead letters are about to be sent, and answers for each, in their order,
    /// what is known of it.
    ///
    /// # Errors
    ///
    /// As the class says. Repeating it does no harm.
    pub async fn plan_entries(
        &self,
        replay: i64,
        queue: &str,
        entries: &[PlannedEntry],
    ) -> Result<Vec<Journaled>, StoreError> {
        let column = |of: fn(&PlannedEntry) -> &str| -> Vec<String> {
            entries.iter().map(|entry| storable(of(entry))).collect()
        };
        let optional = |of: fn(&PlannedEntry) -> Option<&str>| -> Vec<Option<String>> {
            entries
                .iter()
                .map(|entry| of(entry).map(storable))
                .collect()
        };
        let edited: Vec<bool> = entries.iter().map(|entry| entry.is_edited).collect();
        let sql = render(PLAN, &self.shared.schema);
        let rows = self
            .query_planned_anew(
                &sql,
                &[
                    (&replay, Type::INT8),
                    (&queue, Type::TEXT),
                    (&column(|entry| &entry.message_id), Type::TEXT_ARRAY),
                    (&column(|entry| &entry.key.source), Type::TEXT_ARRAY),
                    (&column(|entry| &entry.key.id), Type::TEXT_ARRAY),
                    (
                        &optional(|entry| entry.event_type.as_deref()),
                        Type::TEXT_ARRAY,
                    ),
                    (&column(|entry| &entry.fingerprint), Type::TEXT_ARRAY),
                    (
                        &optional(|entry| entry.content.as_deref()),
                        Type::TEXT_ARRAY,
                    ),
                    (&column(|entry| &entry.died_as), Type::TEXT_ARRAY),
                    (&edited, Type::BOOL_ARRAY),
                ],
            )
            .await?;
        let journaled = rows.iter().map(|row| {
            let state = EntryState::named(row.get("state")).ok_or_else(|| {
                let why = "an entry has a state that this release does not know";
                StoreError::new(StoreErrorClass::Statement, why)
            })?;
            Ok(Journaled {
                state,
                planned_by: row.get("planned_by"),
                is_edited: row.get("edited"),
                sent_as: row.get("sent_as"),
            })
        });
        journaled.collect()
    }

    /// Writes down that dead letters were sent, and as which messages.
    ///
    /// # Errors
    ///
    /// As the class says. Repeating it does no harm.
    pub async fn mark_entries_sent(
        &self,
        queue: &str,
        sent: &[(String, String)],
    ) -> Result<(), StoreError> {
        let (ids, sent_as): (Vec<&str>, Vec<&str>) = sent
            .iter()
            .map(|(id, sent_as)| (id.as_str(), sent_as.as_str()))
            .unzip();
        let sql = render(SENT, &self.shared.schema);
        let params: Typed<'_> = &[
            (&queue, Type::TEXT),
            (&ids, Type::TEXT_ARRAY),
            (&sent_as, Type::TEXT_ARRAY),
        ];
        self.query_planned_anew(&sql, params).await.map(drop)
    }

    /// Writes down that dead letters that were sent are deleted.
    ///
    /// # Errors
    ///
    /// As the class says. Repeating it does no harm.
    pub async fn mark_entries_deleted(
        &self,
        queue: &str,
        deleted: &[String],
    ) -> Result<(), StoreError> {
        let sql = render(DELETED, &self.shared.schema);
        let params: Typed<'_> = &[(&queue, Type::TEXT), (&deleted, Type::TEXT_ARRAY)];
        self.query_planned_anew(&sql, params).await.map(drop)
    }

    /// Returns the dead letters of a queue that were sent longer than `lease` ago, whichever replay
    /// it was, and are not known to be deleted.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn entries_undeleted(
        &self,
        queue: &str,
        lease: Duration,
    ) -> Result<Vec<String>, StoreError> {
        let sql = render(UNDELETED, &self.shared.schema);
        let rows = self.query(&sql, &[&queue, &lease.as_secs_f64()]).await?;
        Ok(rows.iter().map(|row| row.get("message_id")).collect())
    }

    /// Returns how long messages of a queue may still be hidden by whoever else replays it or was
    /// killed: first those that are planned, then those that may have been received and are not;
    /// this replay has run for `running`.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn messages_hidden_for(
        &self,
        replay: i64,
        queue: &str,
        lease: Duration,
        running: Duration,
    ) -> Result<(Duration, Duration), StoreError> {
        let sql = render(HIDDEN, &self.shared.schema);
        let (lease, running) = (lease.as_secs_f64(), running.as_secs_f64());
        let rows = self
            .query(&sql, &[&queue, &replay, &lease, &running])
            .await?;
        let left = |name: &str| {
            let secs = rows.first().and_then(|row| row.get::<_, Option<f64>>(name));
            // A time that is over is negative, and none.
            Duration::try_from_secs_f64(secs.unwrap_or_default()).unwrap_or_default()
        };
        Ok((left("planned"), left("unplanned")))
    }

    /// Runs a statement with a plan of its own.
    ///
    /// The journal of a replay grows from nothing to hundreds of thousands of rows within a minute.
    /// A plan that is kept was made for an empty table, and reads all of it for each batch:
    /// measured, 100,000 messages take three times as long.
    async fn query_planned_anew(
        &self,
        sql: &str,
        params: Typed<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let session = Session::open(&self.shared).await?;
        let work = session.client().query_typed(sql, params);
        session.run_bounded(work).await
    }
}

/// Parameters and their types, which spare the server a question.
type Typed<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];
