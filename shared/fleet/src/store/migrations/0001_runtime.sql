-- The tables of the runtime. `{schema}` stands for FLEET_SCHEMA.
-- A migration that was released is never edited; its checksum is recorded.

-- What is done: the row commits together with the effect. It outlives every
-- copy of the message, so that a redelivery or a replay finds it.
create table {schema}.inbox (
    consumer     text not null,
    source       text not null,
    id           text not null,
    processed_at timestamptz not null default now(),
    primary key (consumer, source, id)
);
-- Pruning reads whole ranges of time, and rows are appended in that order.
create index inbox_processed_at on {schema}.inbox using brin (processed_at);

-- What went wrong, a row a receive that did not end well. The happy path
-- writes nothing here.
create table {schema}.attempts (
    consumer   text not null,
    message_id text not null,
    receive    integer not null,
    -- The event's key, if the message could be read; an edit or a replay gives
    -- the message another id, and this is what connects the two.
    source     text,
    event_id   text,
    outcome    text not null,
    charged    boolean not null,
    reason     text not null,
    at         timestamptz not null,
    primary key (consumer, message_id, receive)
);
create index attempts_event on {schema}.attempts (event_id, source);
create index attempts_at on {schema}.attempts using brin (at);

-- Copies in dead-letter queues that SQS has confirmed.
create table {schema}.dead_letters (
    -- The copy's own MessageId.
    copy_id       text primary key,
    queue         text not null,
    consumer      text not null,
    source        text not null,
    event_id      text not null,
    event_type    text,
    message_id    text not null,
    class         text not null,
    reason        text not null,
    detail        text,
    attempts      integer not null,
    receives      integer not null,
    first_sent_at timestamptz not null,
    failed_at     timestamptz not null,
    -- The whole failure as the copy carries it. json, not jsonb: what a foreign
    -- message contained is kept as it was, \u0000 included.
    failure       json not null
);
create index dead_letters_event on {schema}.dead_letters (event_id, source);
create index dead_letters_failed_at on {schema}.dead_letters (failed_at);

-- Who wants which type; `migrate` writes it from the registration list.
create table {schema}.subscriptions (
    event_type text not null,
    consumer   text not null,
    primary key (event_type, consumer)
);

-- Events on their way to a queue, a row a destination.
create table {schema}.outbox (
    id            bigint generated always as identity primary key,
    -- The consumer whose queue it goes to.
    destination   text not null,
    source        text not null,
    event_id      text not null,
    event_type    text not null,
    time          timestamptz not null,
    -- JSON text as the producer wrote it: jsonb would round its numbers' spelling.
    data          text not null,
    -- Never empty: the walk of the claim starts at ''.
    ordering_key  text collate "C" check (ordering_key <> ''),
    trace_parent  text,
    created_at    timestamptz not null default now(),
    sent_at       timestamptz,
    -- SQS can never take this row; it waits for an operator and halts its key.
    parked_at     timestamptz,
    parked_reason text,
    -- The same event enqueued twice stands once.
    unique (event_id, source, destination)
) with (
    -- Every row is updated once, soon; the claims walk over what vacuum leaves.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.1
);
-- An unsent row is in exactly one of these three.
create index outbox_free on {schema}.outbox (destination, id)
    where sent_at is null and parked_at is null and ordering_key is null;
create index outbox_ordered on {schema}.outbox (destination, ordering_key, id)
    where sent_at is null and ordering_key is not null;
create index outbox_parked on {schema}.outbox (destination, id)
    where sent_at is null and parked_at is not null and ordering_key is null;
create index outbox_sent_at on {schema}.outbox using brin (sent_at);

-- Enqueues an event for every subscriber of its type, in the caller's
-- transaction, and returns its id. The source is `/sql/` and the database's
-- name: stable for as long as the ids of that database are. The same id twice
-- stands once. Nothing is notified here, because NOTIFY would serialise the
-- writers' commits; the relay's poll finds the rows.
create function {schema}.enqueue(
    type text,
    data jsonb,
    id text default null,
    ordering_key text default null
) returns text language plpgsql as $$
declare
    new_id text := coalesce(enqueue.id, gen_random_uuid()::text);
begin
    if coalesce(enqueue.type, '') = '' then
        raise exception 'enqueue: the type is missing' using errcode = 'null_value_not_allowed';
    end if;
    if enqueue.data is null then
        raise exception 'enqueue: the data is missing' using errcode = 'null_value_not_allowed';
    end if;
    if new_id = '' or octet_length(new_id) > 1024 then
        raise exception 'enqueue: an id has 1 to 1024 bytes' using errcode = 'invalid_parameter_value';
    end if;
    insert into {schema}.outbox
        (destination, source, event_id, event_type, time, data, ordering_key)
    select s.consumer, '/sql/' || current_database(), new_id, enqueue.type, now(),
        enqueue.data::text, nullif(enqueue.ordering_key, '')
    from {schema}.subscriptions s
    where s.event_type = enqueue.type
    on conflict do nothing;
    return new_id;
end
$$;
