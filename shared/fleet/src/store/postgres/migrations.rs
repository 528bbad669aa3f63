use std::time::Duration;

use crate::store::StoreError;

/// One step of a database's schema: numbered SQL that was once released and never changes.
///
/// Steps expand first and contract later: the previous release has to run on
/// the new schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place, from 1, without gaps within its owner.
    pub number: u32,
    /// What it does, for people.
    pub name: &'static str,
    /// Its statements, run in one transaction; `{schema}` stands for the runtime's schema.
    pub sql: &'static str,
}

/// The migrations of one owner: the runtime, or one domain of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// Whose they are; numbers count within it.
    pub owner: &'static str,
    /// The steps, in order.
    pub steps: &'static [Migration],
}

/// A migration that a database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMigration {
    /// Whose it is.
    pub owner: &'static str,
    /// The step.
    pub migration: Migration,
}

/// A consumer that wants the events of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// The type, such as `order.placed`.
    pub event_type: String,
    /// The consumer's registered name, which is also its destination in the outbox.
    pub consumer: String,
}

/// Why a database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer release has migrated it; this one must not touch it.
    #[error(
        "the database is newer than this program: {owner} is at migration {found}, and {known} is the last that is known here"
    )]
    Newer {
        /// Whose migrations they are.
        owner: &'static str,
        /// The last applied.
        found: u32,
        /// The last known.
        known: u32,
    },
    /// A migration was edited after it had been applied.
    #[error("migration {0} has changed since it was applied; add a new one instead")]
    Changed(PlannedMigration),
    /// The numbers of a set are not 1, 2, 3 and so on.
    #[error(
        "the migrations of {owner} are misnumbered at {number}: they count from 1 without gaps"
    )]
    Misnumbered {
        /// Whose migrations they are.
        owner: &'static str,
        /// The first number out of place.
        number: u32,
    },
    /// Another migration ran for too long.
    #[error("another migration is running for more than {} s", .0.as_secs())]
    Occupied(Duration),
    /// A step failed; nothing of it is left, and the steps before it stand.
    #[error("migration {migration} failed")]
    Step {
        /// The step.
        migration: PlannedMigration,
        /// What the database said.
        source: StoreError,
    },
    /// The database cannot be reached, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Migrations {
    /// The migrations of the runtime's own tables.
    pub const RUNTIME: Self = Self {
        owner: "fleet",
        steps: &[
            Migration {
                number: 1,
                name: "runtime",
                sql: include_str!("../migrations/0001_runtime.sql"),
            },
            Migration {
                number: 2,
                name: "suspects",
                sql: include_str!("../migrations/0002_suspects.sql"),
            },
            Migration {
                number: 3,
                name: "upkeep",
                sql: include_str!("../migrations/0003_upkeep.sql"),
            },
            Migration {
                number: 4,
                name: "replays",
                sql: include_str!("../migrations/0004_replays.sql"),
            },
            Migration {
                number: 5,
                name: "parked",
                sql: include_str!("../migrations/0005_parked.sql"),
            },
            Migration {
                number: 6,
                name: "depths",
                sql: include_str!("../migrations/0006_depths.sql"),
            },
            Migration {
                number: 7,
                name: "trace_state",
                sql: include_str!("../migrations/0007_trace_state.sql"),
            },
        ],
    };
}

impl std::fmt::Display for PlannedMigration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {:04} {}",
            self.owner, self.migration.number, self.migration.name
        )
    }
}
