use super::sql::render;
use super::{Params, PostgresStore};
use crate::message::EventKey;
use crate::store::{Found, StoreError, StoreErrorClass, Story};

/// The most sources that are looked through for an id whose source is not said: a step in the
/// inbox's index each, all of them a fraction of a second.
const SOURCES_MAX: i64 = 10_000;

/// The most events with one id that are told of: more than a person reads.
const EVENTS_MAX: i64 = 50;

/// The most attempts of one event that are told of, the latest. A group that halts for 14 days
/// makes 4,000.
const ATTEMPTS_MAX: i64 = 5_000;

/// The inbox has no index by id alone, and needs none on its way: its primary key is walked from
/// source to source. Likewise the attempts, from consumer to consumer.
///
/// A message that could not be read has attempts without a key.
const FIND: &str = r"
    with recursive inboxes (consumer, source) as (
        (select consumer, source from {schema}.inbox order by consumer, source limit 1)
        union all
        select next.consumer, next.source from inboxes last, lateral (
            select i.consumer, i.source from {schema}.inbox i
            where (i.consumer, i.source) > (last.consumer, last.source)
            order by i.consumer, i.source limit 1) next
    ), walked as materialized (
        select consumer, source from inboxes limit $2
    ), consumers (consumer) as (
        (select consumer from {schema}.attempts order by consumer limit 1)
        union all
        select next.consumer from consumers last, lateral (
            select a.consumer from {schema}.attempts a
            where a.consumer > last.consumer
            order by a.consumer limit 1) next
    ), received as materialized (
        select a.source, a.event_id from consumers c
            join {schema}.attempts a on a.consumer = c.consumer and a.message_id = $1
    ), known as (
        select source, event_id as id from {schema}.outbox where event_id = $1
        union
        select source, event_id from {schema}.attempts where event_id = $1
        union
        select source, event_id from received where source is not null
        union
        select source, event_id from {schema}.dead_letters
        where event_id = $1 or copy_id = $1 or message_id = $1
        union
        select source, event_id from {schema}.replay_entries
        where event_id = $1 or message_id = $1 or sent_message_id = $1
        union
        select i.source, i.id from walked w
            join {schema}.inbox i on i.consumer = w.consumer and i.source = w.source and i.id = $1
    ), keys as (
        select source, id from known
        union
        select '', $1 from received where not exists (select from known)
    )
    select json_build_object(
        'keys', (select coalesce(json_agg(k order by k.source, k.id), '[]')
                 from (select source, id from keys order by source, id limit $3) k),
        'keys_left_out', (select count(*) > $3 from keys),
        'sources_left_out', (select count(*) >= $2 from walked))::text";

/// One statement, so that all of it is seen at one moment.
const STORY: &str = r"
    with recursive consumers (consumer) as (
        (select consumer from {schema}.inbox order by consumer limit 1)
        union all
        select next.consumer from consumers last, lateral (
            select i.consumer from {schema}.inbox i
            where i.consumer > last.consumer
            order by i.consumer limit 1) next
    ), tried_by (consumer) as (
        (select consumer from {schema}.attempts order by consumer limit 1)
        union all
        select next.consumer from tried_by last, lateral (
            select a.consumer from {schema}.attempts a
            where a.consumer > last.consumer
            order by a.consumer limit 1) next
    ), outbox as (
        select o.id, o.destination as consumer, o.event_type, o.ordering_key, o.trace_parent,
            o.created_at, o.sent_at, o.parked_at, o.parked_reason, o.retried_at, o.retried_by,
            o.discarded_at, o.discarded_by, o.discard_reason,
            head.id as halted_by
        from {schema}.outbox o left join lateral (
            select h.id, h.parked_at from {schema}.outbox h
            where h.destination = o.destination and h.ordering_key = o.ordering_key
                and h.sent_at is null and h.id < o.id and o.sent_at is null
            order by h.id limit 1) head on head.parked_at is not null
        where o.event_id = $2 and o.source = $1
    ), dead_letters as materialized (
        select copy_id, message_id, queue, consumer, event_type, class, reason, detail, attempts,
            receives, first_sent_at, failed_at
        from {schema}.dead_letters where event_id = $2 and source = $1
    ), replays as materialized (
        select e.replay_id, r.kind, coalesce(d.consumer, r.consumer) as consumer, e.message_id,
            e.queue, r.destination, r.who, e.edited, e.state, e.sent_message_id, e.planned_at,
            e.sent_at, e.deleted_at, r.ended_at
        from {schema}.replay_entries e
            join {schema}.replays r on r.id = e.replay_id
            left join {schema}.dead_letters d on d.copy_id = e.message_id
        where e.event_id = $2 and e.source = $1
    ), messages (id) as (
        select $2::text
        union select message_id from dead_letters
        union select copy_id from dead_letters
        union select message_id from replays
        union select sent_message_id from replays where sent_message_id is not null
    ), received as materialized (
        select a.* from {schema}.attempts a where a.event_id = $2 and a.source = $1
        union
        select a.* from tried_by t cross join messages m
            join {schema}.attempts a on a.consumer = t.consumer and a.message_id = m.id
        where a.event_id is null
    ), attempts as (
        select consumer, message_id, receive, coalesce(receive_last, receive) as receive_last,
            outcome, charged, reason, at
        from received order by at desc limit $3
    ), inbox as (
        select i.consumer, i.processed_at from consumers c
            join {schema}.inbox i on i.consumer = c.consumer and i.source = $1 and i.id = $2
    )
    select json_build_object(
        'outbox', (select coalesce(json_agg(o order by o.id), '[]') from outbox o),
        'attempts', (select coalesce(json_agg(a order by a.at, a.consumer, a.receive), '[]')
                     from attempts a),
        'attempts_left_out', (select greatest(count(*) - $3, 0) from received),
        'inbox', (select coalesce(json_agg(i order by i.processed_at, i.consumer), '[]') from inbox i),
        'dead_letters', (select coalesce(json_agg(d order by d.failed_at, d.copy_id), '[]')
                         from dead_letters d),
        'replays', (select coalesce(json_agg(r order by r.planned_at, r.message_id), '[]')
                    from replays r))::text";

impl PostgresStore {
    /// Finds the events that go by an id, or to which a message with this MessageId belongs.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn find_events(&self, id: &str) -> Result<Found, StoreError> {
        self.told(FIND, &[&id, &SOURCES_MAX, &EVENTS_MAX]).await
    }

    /// Reads what is on record of one event.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn story(&self, key: &EventKey) -> Result<Story, StoreError> {
        self.told(STORY, &[&key.source, &key.id, &ATTEMPTS_MAX])
            .await
    }

    /// Runs a statement that answers with one JSON object.
    async fn told<T: serde::de::DeserializeOwned>(
        &self,
        template: &str,
        params: Params<'_>,
    ) -> Result<T, StoreError> {
        let rows = self
            .query(&render(template, &self.shared.schema), params)
            .await?;
        let text: &str = rows
            .first()
            .expect("the statement has always one row")
            .get(0);
        serde_json::from_str(text)
            .map_err(|error| StoreError::new(StoreErrorClass::Statement, error))
    }
}
