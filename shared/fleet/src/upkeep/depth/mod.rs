//! What waits in a queue: its depth, its lag, its dead letters, and how many processes it needs.
//!
//! One process at a time measures a queue, under a lease of that queue's name, be it a consumer or
//! a relay: so a queue whose consumers have stopped is still seen. Where the database cannot be
//! asked who it is, every process measures.

mod lag;

mod dead_age;

mod demand;

mod sounder;

mod watch;

use std::time::Duration;

use jiff::Timestamp;

pub use sounder::Sounded;
pub(super) use watch::DepthWatch;

/// Returns the time from one moment to a later one; none where clocks disagree on that.
fn age(later: Timestamp, earlier: Timestamp) -> Duration {
    later
        .duration_since(earlier)
        .try_into()
        .unwrap_or(Duration::ZERO)
}
