use metrics::{Counter, Gauge, Histogram, Label};

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts durations in [`BUCKETS`].
    Histogram,
}

impl Kind {
    /// Returns the word of Prometheus's `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric: what docs/metrics.md says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name in Prometheus.
    pub name: &'static str,
    /// What it measures.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The help line: one sentence without a full stop.
    pub help: &'static str,
}

impl Metric {
    pub(super) fn counter(&self, values: &[&str]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter);
        metrics::counter!(self.name, self.labelled(values))
    }

    pub(super) fn gauge(&self, values: &[&str]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge);
        metrics::gauge!(self.name, self.labelled(values))
    }

    pub(super) fn histogram(&self, values: &[&str]) -> Histogram {
        debug_assert_eq!(self.kind, Kind::Histogram);
        metrics::histogram!(self.name, self.labelled(values))
    }

    fn labelled(&self, values: &[&str]) -> Vec<Label> {
        assert_eq!(
            self.labels.len(),
            values.len(),
            "{} has a value for each label",
            self.name
        );
        let pairs = self.labels.iter().zip(values);
        pairs
            .map(|(name, value)| Label::new(*name, (*value).to_owned()))
            .collect()
    }
}

/// The upper bounds of every histogram's buckets, in seconds: those that
/// OpenTelemetry advises for durations, and three more for work that takes
/// minutes. Without them the exporter makes summaries, which cannot be summed.
pub const BUCKETS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    300.0,
];

/// Declares the metrics and the catalogue that lists them all.
macro_rules! catalogue {
    ($($const:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) const $const: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)+

        /// Every metric that is made with the help of this list, in its order.
        pub const CATALOGUE: &[Metric] = &[$($const),+];
    };
}

catalogue! {
    MESSAGES_RECEIVED = Counter "fleet_messages_received_total" ["queue"]
        "Messages that receives brought";
    RECEIVES = Counter "fleet_receives_total" ["queue", "result"]
        "Receive calls, by what they brought";
    MESSAGES_PROCESSED = Counter "fleet_messages_processed_total" ["queue", "handler", "outcome"]
        "Deliveries that ended, by outcome";
    PROCESS_DURATION = Histogram "fleet_message_process_duration_seconds" ["queue", "handler"]
        "Time from the start of a handler to its outcome";
    QUEUE_TIME = Histogram "fleet_message_queue_time_seconds" ["queue"]
        "Time from when a message was sent to the start of its handler";
    CRITICAL_TIME = Histogram "fleet_message_critical_time_seconds" ["queue"]
        "Time from when a message was first sent to the commit of its effect";
    DUPLICATES = Counter "fleet_duplicates_total" ["handler"]
        "Deliveries whose effect had been committed before";
    INFLIGHT = Gauge "fleet_inflight_messages" ["queue"]
        "Messages that hold a permit: received and not yet settled";
    CONCURRENCY_LIMIT = Gauge "fleet_concurrency_limit" ["queue"]
        "Permits: how many messages may be in flight here";
    ACKS = Counter "fleet_acks_total" ["queue", "result"]
        "Acknowledgements, by how far they got";
    DEAD_LETTERED = Counter "fleet_dead_lettered_total" ["queue", "reason"]
        "Messages copied to the dead-letter queue, by reason";
    REPLAYED = Counter "fleet_replayed_total" ["queue"]
        "Messages that a replay brought back, done or dead again by now";
    LEASE_EXTENSIONS = Counter "fleet_lease_extensions_total" ["queue", "result"]
        "Heartbeats that asked for more time, by result";
    LEASES_LOST = Counter "fleet_leases_lost_total" ["queue"]
        "Deliveries whose lease ended before their settlement";
    POISON_SUSPECTED = Counter "fleet_poison_suspected_total" ["queue"]
        "Handlers that ran alone because a process had ended while the message was worked on";
    GROUPS_HALTED = Gauge "fleet_groups_halted" ["queue"]
        "Groups of a FIFO queue that stand still behind a message that failed for good";
    LAST_SUCCESS = Gauge "fleet_last_success_timestamp_seconds" ["queue"]
        "When a message was last processed, or the start, as a Unix time";
    RECEIVER_LAST_COMPLETED = Gauge "fleet_receiver_last_completed_timestamp_seconds" ["queue"]
        "When a receive call last got its answer, or the start, as a Unix time";
    SQS_REQUESTS = Counter "fleet_sqs_requests_total" ["operation", "result"]
        "Requests to SQS, which is what SQS charges for, by result";
    SQS_REQUEST_DURATION = Histogram "fleet_sqs_request_duration_seconds" ["operation"]
        "Time of a request to SQS, with the wait of a long poll";
    QUEUE_MESSAGES = Gauge "fleet_queue_messages" ["queue", "state"]
        "Messages in the queue as SQS counts them, by state";
    QUEUE_OLDEST_AGE = Gauge "fleet_queue_oldest_message_age_seconds" ["queue"]
        "The lag: about how old the oldest message is that waits, 0 when none does";
    DLQ_MESSAGES = Gauge "fleet_dlq_messages" ["queue"]
        "Messages in the dead-letter queue of the queue: visible, in flight and delayed";
    DLQ_OLDEST_AGE = Gauge "fleet_dlq_oldest_message_age_seconds" ["queue"]
        "About how long the oldest dead letter has been there, 0 when there is none";
    DLQ_RETENTION = Gauge "fleet_dlq_retention_seconds" ["queue"]
        "How long the dead-letter queue of the queue keeps a message";
    WORKERS_NEEDED = Gauge "fleet_workers_needed" ["queue"]
        "Processes that would keep the lag within five minutes at the present rates";
    MEASURING = Gauge "fleet_measuring" []
        "1 while this process measures a queue, else 0";
    OUTBOX_PUBLISHED = Counter "fleet_outbox_published_total" []
        "Outbox rows that SQS accepted";
    OUTBOX_PUBLISH_ERRORS = Counter "fleet_outbox_publish_errors_total" []
        "Outbox rows that SQS did not accept, which are tried again or parked";
    OUTBOX_UNSUBSCRIBED = Counter "fleet_outbox_unsubscribed_total" []
        "Outbox rows of a type that nobody subscribes to, which are settled unsent";
    OUTBOX_PENDING = Gauge "fleet_outbox_pending" []
        "Outbox rows that wait to be sent";
    OUTBOX_OLDEST_AGE = Gauge "fleet_outbox_oldest_age_seconds" []
        "Age of the oldest outbox row that waits to be sent, 0 when none does";
    OUTBOX_PARKED = Gauge "fleet_outbox_parked" []
        "Outbox rows that SQS will never accept and somebody has to look at";
    BREAKER_STATE = Gauge "fleet_breaker_state" ["queue", "dependency"]
        "State of a dependency's breaker before a queue: 0 closed, 1 half open, 2 open";
    BREAKER_TRANSITIONS = Counter "fleet_breaker_transitions_total" ["queue", "dependency", "to"]
        "Changes of a dependency's breaker before a queue, by the state it went to";
    PAUSED = Gauge "fleet_paused" ["queue"]
        "1 while an operator has paused the consumer of the queue, else 0";
    PRUNED = Counter "fleet_pruned_total" ["table"]
        "Rows that were over and were deleted, by table";
    PRUNE_LAST_SUCCESS = Gauge "fleet_prune_last_success_timestamp_seconds" []
        "When this process last pruned every table to its end, as a Unix time, 0 if it never did";
    TABLE_ROWS = Gauge "fleet_table_rows" ["table"]
        "About how many rows a table has, as the database estimates it";
    DATABASE_CONNECTIONS = Gauge "fleet_database_connections" ["state"]
        "Connections of the work to the database, by state";
    DATABASE_CONNECTIONS_LIMIT = Gauge "fleet_database_connections_limit" []
        "The most connections of the work to the database";
    DATABASE_WAITING = Gauge "fleet_database_waiting" []
        "Callers that wait for a connection of the work to the database";
    READY = Gauge "fleet_ready" ["check"]
        "1 while a check of /readyz passes, else 0";
    SPANS_LOST = Counter "fleet_spans_lost_total" []
        "Spans that were dropped because they waited too long or the collector did not take them";
    DRAINING = Gauge "fleet_draining" []
        "1 while the process is shutting down, else 0";
    BUILD_INFO = Gauge "fleet_build_info" ["version", "commit"]
        "Always 1; the labels say what is running";
    PANICS = Counter "fleet_panics_total" []
        "Panics, those of handlers included";
    LOG_LINES_LOST = Counter "fleet_log_lines_lost_total" []
        "Log lines that nobody read in time, or nobody at all";
    PROCESS_CPU = Counter "process_cpu_seconds_total" []
        "User and system CPU time of the process";
    PROCESS_RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
        "Resident memory of the process";
    PROCESS_OPEN_FDS = Gauge "process_open_fds" []
        "Open file descriptors of the process";
    PROCESS_START_TIME = Gauge "process_start_time_seconds" []
        "When the process started, as a Unix time";
}
