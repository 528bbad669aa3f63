-- What a producer's tracing system says of a trace beside its ids (W3C tracestate). Relays of the
-- release before leave it behind, and the trace itself goes on.
alter table {schema}.outbox add column trace_state text;
