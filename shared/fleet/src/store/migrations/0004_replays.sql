-- What a replay has to remember to be resumed, and to prove what it did. The tables
-- were there before, and nobody wrote to them.

alter table {schema}.replays
    -- replay, edit, or native (a move task of SQS's own).
    add column kind text not null default 'replay',
    -- The consumer whose queue it goes to; null for a queue that is not the fleet's.
    add column consumer text,
    -- Only what was dead before this is replayed.
    add column cut_at timestamptz not null default now(),
    -- The most messages, if that was said.
    add column messages_max bigint,
    -- How many messages SQS has moved; of a move task alone, which has no entries.
    add column moved bigint,
    -- Why it ended before it was done.
    add column stopped_reason text;

alter table {schema}.replay_entries
    -- The dead-letter queue.
    add column queue text not null,
    add column event_type text,
    -- The failure that it died of, as the tools group it.
    add column fingerprint text,
    add column edited boolean not null default false,
    -- The replay that planned it first, whose number its deduplication id carries: a replay
    -- that takes it over repeats a send that may have been made, and SQS swallows it.
    add column planned_by bigint,
    -- A digest of what it says: copies of one event with the same are sent as one.
    add column content text,
    add column planned_at timestamptz not null default now(),
    add column sent_at timestamptz,
    add column deleted_at timestamptz;

-- A message of a dead-letter queue is sent by one replay, whichever that is. Its
-- MessageId is never used again: what dies once more has another.
create unique index replay_entries_message on {schema}.replay_entries (queue, message_id);
create index replay_entries_event on {schema}.replay_entries (event_id, source);
