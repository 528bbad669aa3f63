use std::error::Error;
use std::time::Duration;

use fleet::queue::{QueueAttributes, QueueError};
use fleet::service::config::{ConsumerConfig, DatabaseConfig};
use fleet::store::{Checkup, MigrateError, PlannedMigration, Roster, StoreError, Subscription};
use jiff::{SignedDuration, Timestamp};

use crate::settings::Pieces;

/// Everything that is judged; the checks themselves ask nobody.
pub(crate) struct Facts {
    /// What the program is called.
    pub(crate) program: &'static str,
    /// The configuration.
    pub(crate) pieces: Pieces,
    /// The region that requests go to, where a variable or a profile names one.
    pub(crate) region: Option<String>,
    /// The queue of each consumer whose configuration is sound.
    pub(crate) queues: Vec<QueueFacts>,
    /// How far the clock of SQS is ahead of this machine's, where it told.
    pub(crate) sqs_ahead: Option<Offset>,
    /// The database, where one is configured.
    pub(crate) database: Option<DatabaseFacts>,
    /// What the registration list says of the consumers that are looked at.
    pub(crate) registered: Vec<Subscription>,
    /// When all this was.
    pub(crate) now: Timestamp,
}

/// One consumer and its queues.
pub(crate) struct QueueFacts {
    pub(crate) consumer: ConsumerConfig,
    pub(crate) queue: Result<QueueAttributes, QueueError>,
    /// None when the queue names none.
    pub(crate) dead_letters: Option<Result<DeadLetterQueue, QueueError>>,
}

/// The queue that a redrive policy names.
pub(crate) struct DeadLetterQueue {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) attributes: QueueAttributes,
}

/// How far a clock is ahead, and by how much that may be wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offset {
    pub(crate) ahead: SignedDuration,
    pub(crate) give_or_take: SignedDuration,
}

/// The database, as far as it could be asked.
pub(crate) struct DatabaseFacts {
    pub(crate) config: DatabaseConfig,
    pub(crate) checkup: Result<Checkup, StoreError>,
    /// What `migrate` would apply.
    pub(crate) lacking: Result<Vec<PlannedMigration>, MigrateError>,
    /// Whether a pooler stands at the address that is to lead past it.
    pub(crate) direct_is_pooled: Option<Result<bool, StoreError>>,
}

impl Facts {
    /// Returns what the database knows of the fleet, if it could be asked.
    pub(crate) fn roster(&self) -> Option<&Roster> {
        let checkup = self.database.as_ref()?.checkup.as_ref().ok()?;
        checkup.roster.as_ref().ok()
    }

    /// Returns how long 99 of 100 messages of a consumer took at most, in the process where they
    /// took longest lately.
    pub(crate) fn p99_of(&self, consumer: &str) -> Option<Duration> {
        let processes = self.roster()?.processes.iter();
        let standings = processes.flat_map(|seen| &seen.consumers);
        let millis = standings.filter(|one| one.name == consumer);
        let p99s = millis.filter_map(|one| Duration::try_from_secs_f64(one.p99_ms? / 1_000.0).ok());
        p99s.max()
    }
}

impl QueueFacts {
    /// Names the queue in a finding.
    pub(crate) fn subject(&self) -> String {
        format!("queue {}", self.consumer.queue_url.name())
    }
}

impl DeadLetterQueue {
    /// Names the queue in a finding.
    pub(crate) fn subject(&self) -> String {
        format!("dead-letter queue {}", self.name)
    }

    /// Returns about how many messages it holds.
    pub(crate) fn depth(&self) -> u64 {
        let QueueAttributes {
            visible,
            in_flight,
            delayed,
            ..
        } = self.attributes;
        visible + in_flight + delayed
    }
}

/// Tells an error with its causes, of which the last says most; none of ours knows a password.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
