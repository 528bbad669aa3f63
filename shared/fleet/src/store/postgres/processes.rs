use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sql::render;
use super::{PostgresStore, Row};
use crate::store::{StoreError, StoreErrorClass};

const SHOW: &str = r"
    insert into {schema}.processes
        (id, host, pid, kind, version, build, started_at, seen_at, consumers)
    values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), $8::text::jsonb)
    on conflict (id) do update set seen_at = excluded.seen_at, consumers = excluded.consumers";

const REMOVE: &str = "delete from {schema}.processes where id = $1";

pub(super) const SEEN: &str = r"
    select id, host, pid, kind, version, build, started_at, consumers::text as consumers,
        extract(epoch from clock_timestamp() - started_at)::float8 as up_secs,
        extract(epoch from clock_timestamp() - seen_at)::float8 as seen_secs
    from {schema}.processes
    where seen_at > clock_timestamp() - make_interval(secs => $1)
    order by started_at, id";

/// A process that serves, as its row names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// A name of its own, which no other process ever has.
    pub id: String,
    /// The machine, pod or container.
    pub host: String,
    /// What the operating system calls it there.
    pub pid: u32,
    /// What it was started as: `run`, `relay` or `dev`.
    pub kind: String,
    /// The version of the program.
    pub version: String,
    /// The commit it was built from.
    pub build: String,
    /// When it was started.
    pub started_at: Timestamp,
}

/// What the row of a process says of one of its consumers; another release may say less.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerStanding {
    /// The consumer.
    pub name: String,
    /// The name of its queue.
    pub queue: String,
    /// The most messages in flight.
    pub concurrency: usize,
    /// How many are.
    pub in_flight: u64,
    /// Messages done a second, lately.
    pub per_second: f64,
    /// How long 99 of 100 messages took at most, lately; none when none ended.
    pub p99_ms: Option<f64>,
    /// How long one took on average, lately; none when none ended.
    pub mean_ms: Option<f64>,
    /// When a receive last brought something.
    pub received_at: Option<Timestamp>,
    /// When the oldest was sent that it brought at about that time.
    pub oldest_sent: Option<Timestamp>,
    /// The dependencies that are down, for which receiving has stopped.
    pub down: Vec<String>,
    /// Whether an operator has paused it.
    pub paused: bool,
}

/// A process as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The process.
    pub process: Process,
    /// How its consumers were doing.
    pub consumers: Vec<ConsumerStanding>,
    /// How long it has run.
    pub up: Duration,
    /// How long ago it has shown itself; one that was killed does so no more.
    pub seen_ago: Duration,
}

impl PostgresStore {
    /// Writes the row of a process: it is there, and this is how its consumers are doing.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn show_process(
        &self,
        process: &Process,
        consumers: &[ConsumerStanding],
    ) -> Result<(), StoreError> {
        let sql = render(SHOW, &self.shared.schema);
        let pid = i32::try_from(process.pid).unwrap_or(i32::MAX);
        let consumers = serde_json::to_string(consumers).expect("its keys are strings");
        let Process {
            id,
            host,
            pid: _,
            kind,
            version,
            build,
            started_at,
        } = process;
        self.query(
            &sql,
            &[id, host, &pid, kind, version, build, started_at, &consumers],
        )
        .await
        .map(drop)
    }

    /// Removes the row of a process that ends.
    ///
    /// # Errors
    ///
    /// As the class says.
    pub async fn remove_process(&self, id: &str) -> Result<(), StoreError> {
        let sql = render(REMOVE, &self.shared.schema);
        self.query(&sql, &[&id]).await.map(drop)
    }

    /// Reads the processes that have shown themselves within this time, the oldest first.
    ///
    /// # Errors
    ///
    /// As the class says; of class `Statement` for a row that is none of the fleet's.
    pub async fn processes(&self, within: Duration) -> Result<Vec<Sighting>, StoreError> {
        let sql = render(SEEN, &self.shared.schema);
        let rows = self.query(&sql, &[&within.as_secs_f64()]).await?;
        rows.iter().map(sighting_of).collect()
    }
}

pub(super) fn sighting_of(row: &Row) -> Result<Sighting, StoreError> {
    let consumers = serde_json::from_str(row.get("consumers"))
        .map_err(|error| StoreError::new(StoreErrorClass::Statement, error))?;
    let process = Process {
        id: row.get("id"),
        host: row.get("host"),
        pid: u32::try_from(row.get::<_, i32>("pid")).unwrap_or_default(),
        kind: row.get("kind"),
        version: row.get("version"),
        build: row.get("build"),
        started_at: row.get("started_at"),
    };
    // A clock that was set back makes an age negative.
    let age = |column| Duration::try_from_secs_f64(row.get(column)).unwrap_or_default();
    Ok(Sighting {
        process,
        consumers,
        up: age("up_secs"),
        seen_ago: age("seen_secs"),
    })
}
