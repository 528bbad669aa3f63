-- What processes do beside their work: they show themselves, look for pauses,
-- and one of them clears away what is over.

-- The processes that serve, each written by itself every few seconds. A row
-- that is not seen any more belongs to a process that was killed.
create table {schema}.processes (
    id         text primary key,
    host       text not null,
    pid        integer not null,
    -- The command: run, relay or dev.
    kind       text not null,
    version    text not null,
    build      text not null,
    started_at timestamptz not null,
    seen_at    timestamptz not null,
    -- An object a consumer: its settings, and how it is doing.
    consumers  jsonb not null
) with (
    -- Every row is rewritten all the time: room for that beside it, and no index to touch.
    fillfactor = 50
);

-- Who paused which consumer, and why; the history is kept.
create table {schema}.pauses (
    id         bigint generated always as identity primary key,
    consumer   text not null,
    reason     text not null,
    paused_by  text not null,
    paused_at  timestamptz not null default now(),
    -- When it is over by itself; null: when somebody says so.
    until      timestamptz,
    resumed_at timestamptz,
    -- Null beside resumed_at: nobody, it was over by itself.
    resumed_by text
);
create unique index pauses_one_a_consumer on {schema}.pauses (consumer) where resumed_at is null;

-- What one process at a time may do, and who does it until when.
create table {schema}.leases (
    name   text primary key,
    holder text not null,
    until  timestamptz not null
) with (fillfactor = 50);

-- The journal of replays: a dead letter is planned, then sent, then deleted, so
-- that a replay that was killed anywhere can be resumed.
create table {schema}.replays (
    id          bigint generated always as identity primary key,
    -- The dead-letter queue, and where its messages go.
    queue       text not null,
    destination text not null,
    filter      jsonb not null,
    rate        double precision,
    who         text not null,
    started_at  timestamptz not null default now(),
    ended_at    timestamptz,
    state       text not null check (state in ('running', 'stopped', 'done'))
);
create table {schema}.replay_entries (
    replay_id       bigint not null references {schema}.replays,
    -- The dead letter's own MessageId.
    message_id      text not null,
    source          text not null,
    event_id        text not null,
    state           text not null check (state in ('planned', 'sent', 'deleted')),
    sent_message_id text,
    at              timestamptz not null default now(),
    primary key (replay_id, message_id)
);

-- Pruning walks the pages of a table. A BRIN index would not spare it any: where
-- vacuum has made room, new rows lie among old ones, and the ranges keep the old bounds.
drop index {schema}.inbox_processed_at;
drop index {schema}.attempts_at;
drop index {schema}.outbox_sent_at;
