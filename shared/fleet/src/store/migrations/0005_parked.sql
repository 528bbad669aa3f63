-- What operators do with parked rows, and who did it.
--
-- A discarded row is over: sent_at says since when, as of one that was sent, so that every
-- reader of the unsent (claims, counts, pruning; those of the release before, too) passes it
-- over. Whether it was sent or given up is told apart by discarded_at alone.
alter table {schema}.outbox
    add column retried_at     timestamptz,
    add column retried_by     text,
    add column discarded_at   timestamptz,
    add column discarded_by   text,
    add column discard_reason text;
