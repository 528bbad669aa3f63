use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::connect::{Param, ask};
use super::migrations::Subscription;
use super::options::check_schema_name;
use super::pauses::{self, Pause};
use super::processes::{self, Sighting};
use super::sql::render;
use super::{connect, pooler};
use crate::store::StoreError;

/// How often the clock is read: the quickest answer says it best.
const CLOCK_READINGS: usize = 3;

/// `reserved_connections` came with version 16. A limit of -1 is none.
const SERVER: &str = r"
    select current_database()::text as database, current_user::text as role,
        current_setting('server_version') as version,
        current_setting('server_version_num')::int as version_num,
        current_setting('synchronous_commit') as synchronous_commit,
        current_setting('fsync')::bool as fsync,
        current_setting('full_page_writes')::bool as full_page_writes,
        pg_is_in_recovery() or current_setting('default_transaction_read_only')::bool
            as is_read_only,
        least(
            current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true), '0')::int,
            (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user),
            (select nullif(datconnlimit, -1) from pg_database where datname = current_database())
        ) as connections_max";

const CLOCK: &str = "select clock_timestamp()";

const SUBSCRIPTIONS: &str = "select event_type, consumer from {schema}.subscriptions order by 1, 2";

/// Copies that may still be in their queue: neither replayed, nor done in another way, nor older
/// than the queue keeps them.
const DEAD: &str = r"
    select q.queue, count(*) as count, min(d.failed_at) as oldest
    from unnest($1::text[], $2::float8[]) as q (queue, kept)
    join {schema}.dead_letters d on d.queue = q.queue
        and d.failed_at > clock_timestamp() - make_interval(secs => q.kept)
    where not exists (
            select from {schema}.replay_entries e
            where e.message_id = d.copy_id and e.state <> 'planned')
        and not exists (
            select from {schema}.inbox i
            where i.consumer = d.consumer and i.source = d.source and i.id = d.event_id)
    group by q.queue";

/// What a database is asked of the fleet.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The schema of the runtime's tables.
    pub schema: &'a str,
    /// The consumers whose pauses are told.
    pub consumers: &'a [&'a str],
    /// Dead-letter queues, and how long each keeps a message.
    pub kept: &'a [(String, Duration)],
    /// How lately a process has to have shown itself to be counted.
    pub seen_within: Duration,
}

/// What a database says of itself and of the fleet.
#[derive(Debug)]
pub struct Checkup {
    /// The server.
    pub server: Server,
    /// What the tables of the runtime hold.
    pub roster: Result<Roster, StoreError>,
}

/// A server, as one role sees it in one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The database.
    pub database: String,
    /// The role.
    pub role: String,
    /// The version, in words.
    pub version: String,
    /// The version, as a number: 160004 is 16.4.
    pub version_num: i32,
    /// What a commit waits for.
    pub synchronous_commit: String,
    /// Whether what is committed is on the disk.
    pub fsync: bool,
    /// Whether a page that was half written can be made whole.
    pub full_page_writes: bool,
    /// Whether it takes no writes: a standby, or set so.
    pub is_read_only: bool,
    /// How many connections this role can have to this database, those of others included.
    pub connections_max: u32,
    /// How far its clock is ahead of this machine's.
    pub ahead: SignedDuration,
    /// How long the question took: by half of it the figure may be wrong.
    pub asked_for: Duration,
    /// Whether a transaction pooler stands before it.
    pub is_pooled: bool,
}

/// What the tables of the runtime say of the fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    /// Who gets which events.
    pub subscriptions: Vec<Subscription>,
    /// The processes that have shown themselves lately.
    pub processes: Vec<Sighting>,
    /// The pauses that are on.
    pub pauses: Vec<Pause>,
    /// What is on record of the dead-letter queues that hold something.
    pub dead: Vec<DeadOnRecord>,
}

/// The dead letters of one queue that are on record and were not dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadOnRecord {
    /// The dead-letter queue.
    pub queue: String,
    /// How many there are.
    pub count: u64,
    /// When the oldest was sent there.
    pub oldest: Timestamp,
}

/// Asks a database how it is set up, and what it knows of the fleet, and changes nothing.
///
/// It asks outside any pool, whose connections would refuse just the servers that are worth
/// describing.
///
/// # Errors
///
/// `Misconfigured` for an address or a name that is none, `Unavailable` for a server that cannot
/// be asked. Tables that cannot be read are an error in the roster alone.
///
/// # Cancellation
///
/// May be dropped at any time.
pub async fn check_up(url: &str, inquiry: &Inquiry<'_>) -> Result<Checkup, StoreError> {
    check_schema_name(inquiry.schema)?;
    connect::on_session(url, async |client| {
        let server = Server {
            is_pooled: pooler::is_shared(client, url).await?,
            ..read_server(client).await?
        };
        Ok(Checkup {
            server,
            roster: read_roster(client, inquiry).await,
        })
    })
    .await
}

async fn read_server(client: &Client) -> Result<Server, StoreError> {
    let rows = ask(client, SERVER, &[]).await?;
    let row = rows.first().expect("the statement has always one row");
    let (ahead, asked_for) = read_clock(client).await?;
    Ok(Server {
        database: row.get("database"),
        role: row.get("role"),
        version: row.get("version"),
        version_num: row.get("version_num"),
        synchronous_commit: row.get("synchronous_commit"),
        fsync: row.get("fsync"),
        full_page_writes: row.get("full_page_writes"),
        is_read_only: row.get("is_read_only"),
        connections_max: u32::try_from(row.get::<_, i32>("connections_max")).unwrap_or_default(),
        ahead,
        asked_for,
        is_pooled: false,
    })
}

/// Compares the server's clock with the middle between the question and its answer.
async fn read_clock(client: &Client) -> Result<(SignedDuration, Duration), StoreError> {
    let mut best = (SignedDuration::ZERO, Duration::MAX);
    for _ in 0..CLOCK_READINGS {
        let asked = Timestamp::now();
        let rows = ask(client, CLOCK, &[]).await?;
        let took = Timestamp::now().duration_since(asked);
        let theirs: Timestamp = rows.first().expect("a function has one value").get(0);
        // A clock that is set back meanwhile says nothing.
        if let Ok(took_for) = Duration::try_from(took)
            && took_for < best.1
        {
            best = (theirs.duration_since(asked) - took / 2, took_for);
        }
    }
    Ok(best)
}

async fn read_roster(client: &Client, inquiry: &Inquiry<'_>) -> Result<Roster, StoreError> {
    let Inquiry {
        schema,
        consumers,
        kept,
        seen_within,
    } = inquiry;
    let subscriptions = ask(client, &render(SUBSCRIPTIONS, schema), &[]).await?;
    let seen = render(processes::SEEN, schema);
    let within = seen_within.as_secs_f64();
    let processes = ask(client, &seen, &[(&within, Type::FLOAT8)]).await?;
    let on = pauses::statement(pauses::PAUSES, schema);
    let known: &[i64] = &[];
    let params: &[Param<'_>] = &[(consumers, Type::TEXT_ARRAY), (&known, Type::INT8_ARRAY)];
    let pauses = ask(client, &on, params).await?;
    let (queues, secs): (Vec<&str>, Vec<f64>) = kept
        .iter()
        .map(|(queue, kept)| (queue.as_str(), kept.as_secs_f64()))
        .unzip();
    let params: &[Param<'_>] = &[(&queues, Type::TEXT_ARRAY), (&secs, Type::FLOAT8_ARRAY)];
    let dead = ask(client, &render(DEAD, schema), params).await?;
    Ok(Roster {
        subscriptions: subscriptions
            .iter()
            .map(|row| Subscription {
                event_type: row.get("event_type"),
                consumer: row.get("consumer"),
            })
            .collect(),
        processes: processes
            .iter()
            .map(processes::sighting_of)
            .collect::<Result<_, _>>()?,
        pauses: pauses.iter().map(pauses::pause_of).collect(),
        dead: dead.iter().map(dead_of).collect(),
    })
}

fn dead_of(row: &Row) -> DeadOnRecord {
    DeadOnRecord {
        queue: row.get("queue"),
        count: u64::try_from(row.get::<_, i64>("count")).unwrap_or_default(),
        oldest: row.get("oldest"),
    }
}
