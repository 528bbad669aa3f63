/// Opens a transaction.
///
/// DEFERRABLE means nothing at READ COMMITTED. It is a mark by which the claims
/// see that they run inside a transaction: they are pipelined behind this
/// statement, and were it to fail alone, a claim would commit without an effect.
pub(super) const BEGIN: &str = "begin isolation level read committed deferrable";

/// Opens a transaction of the relay.
///
/// Its plans are made while the outbox is small, often empty, and kept; reading
/// the whole table is cheapest then, and 100 ms a claim a backlog later
/// (measured with 100,000 rows). Only the partial indexes are right at any size.
pub(super) const BEGIN_RELAY: &str = "begin isolation level read committed;
    set local enable_seqscan = off; set local enable_bitmapscan = off";

/// Makes the checks now that are deferred to the commit, and fails as that would.
pub(super) const CHECK_CONSTRAINTS: &str = "set constraints all immediate";

/// The statements of the runtime, rendered once for one schema.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) claim: String,
    pub(super) claim_all: String,
    pub(super) history: String,
    pub(super) attempts: String,
    pub(super) record_attempts: String,
    pub(super) record_dead_letters: String,
    pub(super) publish: String,
    pub(super) outbox_claim: String,
    pub(super) outbox_sent: String,
    pub(super) outbox_parked: String,
    pub(super) outbox_stats: String,
}

impl Sql {
    /// Renders the statements for a schema whose name was checked.
    pub(super) fn new(schema: &str) -> Self {
        let render = |template: &str| render(template, schema);
        Self {
            claim: render(CLAIM),
            claim_all: render(CLAIM_ALL),
            history: render(HISTORY),
            attempts: render(ATTEMPTS),
            record_attempts: render(RECORD_ATTEMPTS),
            record_dead_letters: render(RECORD_DEAD_LETTERS),
            publish: render(PUBLISH),
            outbox_claim: render(OUTBOX_CLAIM),
            outbox_sent: render(OUTBOX_SENT),
            outbox_parked: render(OUTBOX_PARKED),
            outbox_stats: render(OUTBOX_STATS),
        }
    }
}

/// Puts the quoted schema where the placeholder stands.
pub(super) fn render(template: &str, schema: &str) -> String {
    template.replace("{schema}", &format!("\"{schema}\""))
}

/// Fits a count into a column of integers.
pub(super) fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The lock makes a claim visible to `CLAIM_ALL` before its row is; the insert
/// then waits for a row that is still open, and finds 0 rows where it committed.
const CLAIM: &str = r"
    insert into {schema}.inbox (consumer, source, id)
    select $1, $2, $3
    from pg_advisory_xact_lock(hashtextextended($1 || e'\x1f' || $2 || e'\x1f' || $3, 0))
    where current_setting('transaction_deferrable') = 'on'
    on conflict do nothing";

/// Keys that somebody holds are passed over; the rest is inserted in one order
/// everywhere, so that two batches cannot wait for each other.
const CLAIM_ALL: &str = r"
    with keys as materialized (
        select n, source, id,
            pg_try_advisory_xact_lock(
                hashtextextended($1 || e'\x1f' || source || e'\x1f' || id, 0)) as held
        from unnest($2::text[], $3::text[]) with ordinality as k (source, id, n)
    ), fresh as (
        insert into {schema}.inbox (consumer, source, id)
        select $1, source, id from keys
        where held and current_setting('transaction_deferrable') = 'on'
        order by source, id
        on conflict do nothing
        returning source, id
    )
    select k.held, f.id is not null as fresh
    from keys k left join fresh f using (source, id)
    order by k.n";

const HISTORY: &str = r"
    select
        exists (
            select from {schema}.inbox
            where consumer = $1 and source = $3 and id = $4
        ) as processed,
        count(*) filter (where charged) as charged,
        count(*) filter (where outcome = 'started' and receive < $5) as crashes,
        coalesce(
            sum(least(coalesce(receive_last, receive), $5 - 1) - receive + 1)
                filter (where receive < $5),
            0) as explained,
        min(at) filter (where outcome = 'unknown_type') as unknown_since,
        count(*) filter (where outcome = 'unavailable') as unavailable,
        min(at) filter (where outcome = 'unavailable') as unavailable_since
    from {schema}.attempts
    where consumer = $1 and message_id = $2";

const ATTEMPTS: &str = r"
    select receive, coalesce(receive_last, receive) as receive_last, source, event_id, outcome, reason, at from (
        select * from {schema}.attempts
        where consumer = $1 and message_id = $2
        order by receive desc limit $3) latest
    order by receive";

const RECORD_ATTEMPTS: &str = r"
    insert into {schema}.attempts
        (consumer, message_id, receive, receive_last, source, event_id, outcome, charged,
         reason, at)
    select * from unnest(
        $1::text[], $2::text[], $3::integer[], $4::integer[], $5::text[], $6::text[],
        $7::text[], $8::boolean[], $9::text[], $10::timestamptz[])
    order by 1, 2, 3
    on conflict (consumer, message_id, receive) do update set
        receive_last = excluded.receive_last, source = excluded.source, event_id = excluded.event_id,
        outcome = excluded.outcome, charged = excluded.charged,
        reason = excluded.reason, at = excluded.at";

const RECORD_DEAD_LETTERS: &str = r"
    insert into {schema}.dead_letters
        (copy_id, queue, consumer, source, event_id, event_type, message_id, class, reason,
         detail, attempts, receives, first_sent_at, failed_at, failure)
    select copy_id, queue, consumer, source, event_id, event_type, message_id, class, reason,
        detail, attempts, receives, first_sent_at, failed_at, failure::json
    from unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::integer[], $12::integer[],
        $13::timestamptz[], $14::timestamptz[], $15::text[])
        as d (copy_id, queue, consumer, source, event_id, event_type, message_id, class, reason,
              detail, attempts, receives, first_sent_at, failed_at, failure)
    on conflict do nothing";

/// Answers for each event how many subscribers its type has.
const PUBLISH: &str = r"
    with events as materialized (
        select * from unnest(
            $1::text[], $2::text[], $3::text[], $4::timestamptz[],
            $5::text[], $6::text[], $7::text[], $8::text[]) with ordinality
            as e (source, event_id, event_type, time, data, ordering_key, trace_parent,
                trace_state, n)
    ), rows as (
        insert into {schema}.outbox
            (destination, source, event_id, event_type, time, data, ordering_key, trace_parent,
             trace_state)
        select s.consumer, e.source, e.event_id, e.event_type, e.time, e.data,
            nullif(e.ordering_key, ''), e.trace_parent, e.trace_state
        from events e join {schema}.subscriptions s using (event_type)
        order by e.n, s.consumer
        on conflict do nothing
    )
    select count(s.consumer) as subscribers
    from events e left join {schema}.subscriptions s using (event_type)
    group by e.n
    order by e.n";

/// Half of a claim goes to rows with an ordering key, the rest to rows without.
///
/// The walk over `heads` jumps from key to key in the index and looks at the
/// oldest row of each alone, so that a halted key with a long tail costs one
/// step. It begins behind `$3`, where the last walk ended, so that no key
/// starves. Whether a row is a head is decided by the snapshot and not by the
/// locks: a head that another relay holds keeps its younger ones back.
///
/// Rows beyond `$4` bytes stay locked for the moment and are not read. The
/// first row of the answer is there also when nothing was claimed.
const OUTBOX_CLAIM: &str = r"
    with recursive heads as (
        (select id, ordering_key, parked_at from {schema}.outbox
         where destination = $1 and sent_at is null and ordering_key is not null
             and ordering_key > $3
         order by ordering_key, id limit 1)
        union all
        select next.* from heads, lateral (
            select id, ordering_key, parked_at from {schema}.outbox o
            where o.destination = $1 and o.sent_at is null and o.ordering_key is not null
                and o.ordering_key > heads.ordering_key
            order by o.ordering_key, o.id limit 1) next
    ), walked as materialized (
        select id, ordering_key from heads
        where parked_at is null
        limit greatest($2::bigint / 2, 1)
    ), ordered as materialized (
        select o.* from {schema}.outbox o
        where o.id = any (array(select id from walked))
            and o.sent_at is null and o.parked_at is null
        for update skip locked
    ), free as materialized (
        select o.* from {schema}.outbox o
        where o.destination = $1 and o.sent_at is null and o.parked_at is null
            and o.ordering_key is null
        order by o.id
        limit $2::bigint - (select count(*) from ordered)
        for update skip locked
    ), sized as (
        select *, sum(octet_length(data)) over (order by id) - octet_length(data) as bytes_before
        from (select * from ordered union all select * from free) rows
    )
    select walk.count, walk.last,
        id, source, event_id, event_type, time, data, ordering_key, trace_parent, trace_state
    from (select count(*) as count, max(ordering_key) as last from walked) walk
    left join sized on bytes_before < $4::bigint
    order by id";

const OUTBOX_SENT: &str = r"
    update {schema}.outbox set sent_at = clock_timestamp() where id = any ($1)";

const OUTBOX_PARKED: &str = r"
    update {schema}.outbox o set parked_at = clock_timestamp(), parked_reason = p.reason
    from unnest($1::bigint[], $2::text[]) as p (id, reason)
    where o.id = p.id";

/// Each part reads one of the three partial indexes of unsent rows.
const OUTBOX_STATS: &str = r"
    select destination, sum(pending)::bigint as pending, sum(parked)::bigint as parked,
        coalesce(extract(epoch from clock_timestamp() - min(oldest)), 0)::float8 as oldest_secs
    from (
        select destination, count(*) as pending, 0 as parked, min(created_at) as oldest
        from {schema}.outbox
        where sent_at is null and parked_at is null and ordering_key is null
        group by destination
        union all
        select destination, count(*) filter (where parked_at is null),
            count(*) filter (where parked_at is not null),
            min(created_at) filter (where parked_at is null)
        from {schema}.outbox
        where sent_at is null and ordering_key is not null
        group by destination
        union all
        select destination, 0, count(*), null
        from {schema}.outbox
        where sent_at is null and parked_at is not null and ordering_key is null
        group by destination
    ) parts
    group by destination
    order by destination";
