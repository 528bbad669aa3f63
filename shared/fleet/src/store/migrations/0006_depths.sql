-- What is remembered of a queue between two looks at it, so that its lag and the age of its dead
-- letters survive the process that measures.
create table {schema}.depths (
    queue             text primary key,
    looked_at         timestamptz not null,
    -- What the last look found, for the tools that show it.
    lag_secs          double precision not null,
    -- Since when the queue has held a backlog, and since when it has been counted as empty.
    waiting_since     timestamptz,
    empty_since       timestamptz,
    -- When a receive of any process last brought something, and the oldest it brought then.
    received_at       timestamptz,
    oldest_sent       timestamptz,
    -- Messages a second that one process gets done.
    capacity          double precision,
    -- Since when the dead-letter queue has been counted as empty, and until when it surely was.
    dead_empty_since  timestamptz,
    dead_empty_until  timestamptz
) with (
    -- Every row is rewritten all the time, as those of processes.
    fillfactor = 50
);
