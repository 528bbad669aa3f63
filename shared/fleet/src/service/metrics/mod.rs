//! Every metric of the fleet: described in one catalogue, made in one place,
//! and handed out as handles, so that counting a message looks nothing up.
//!
//! Handles count where the recorder was installed when they were made; without
//! one they count nothing. Labels come from sets that are bounded at start.

// The formatter sorts within a block; the blank lines keep the reading order.
mod catalogue;

mod family;

mod consumer;

mod sqs;

mod outbox;

mod breaker;

mod upkeep;

mod depth;

mod database;

mod readiness;

mod traces;

mod process;

mod totals;

mod recorder;

pub use self::breaker::{BreakerMetrics, BreakerState};
pub use self::catalogue::{BUCKETS, CATALOGUE, Kind, Metric};
pub use self::consumer::{
    ACK_RESULTS, ConsumerMetrics, DEAD_LETTER_REASONS, HandlerMetrics, LEASE_EXTENSION_RESULTS,
    NO_HANDLER, OUTCOMES, RECEIVE_RESULTS,
};
pub use self::database::{Connections, DatabaseMetrics};
pub use self::depth::{DeadDepth, Depth, DepthMetrics};
pub use self::family::Family;
pub use self::outbox::{OutboxDepth, OutboxMetrics};
pub use self::readiness::CheckMetrics;
pub use self::recorder::{MetricsError, Recorder, install};
pub use self::sqs::{SQS_OPERATIONS, SQS_RESULTS, SqsMetrics};
pub use self::totals::Totals;
pub use self::traces::TraceMetrics;
pub use self::upkeep::{MeasuringMetrics, PauseMetrics, PruneMetrics, TableMetrics};
