/// What each role may do.
mod rights;

use tokio_postgres::Client;

use super::migrate::MigrateOptions;
use super::migrations::Migrations;
use super::options::check_schema_name;
use super::{connect, failure};
use crate::store::{StoreError, StoreErrorClass};
use rights::Wanted;

/// How often it is looked again at what is lacking when others set the same up at the same time.
const ROUNDS: usize = 20;

/// Finds what in these schemas belongs to somebody else, as statements.
const FOREIGN: &str = "
    select format('alter schema %I owner to fleet_owner', n.nspname)
    from pg_namespace n
    where n.nspname = any ($1) and pg_get_userbyid(n.nspowner) <> 'fleet_owner'
    union all
    select format('alter %s %I.%I owner to fleet_owner',
        case c.relkind when 'v' then 'view' when 'm' then 'materialized view'
            when 'S' then 'sequence' else 'table' end, n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any ($1) and pg_get_userbyid(c.relowner) <> 'fleet_owner'
        and c.relkind in ('r', 'p', 'v', 'm', 'S')
        -- The sequence of a column follows its table.
        and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
            and d.objid = c.oid and d.deptype in ('a', 'i') and c.relkind = 'S')
    union all
    select format('alter function %s owner to fleet_owner', p.oid::regprocedure)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = any ($1) and pg_get_userbyid(p.proowner) <> 'fleet_owner'
        and p.prokind = 'f'";

/// Sets up the roles `fleet_owner`, `fleet_worker`, `fleet_relay` and `fleet_operator` and what
/// each may do, as far as this user may; returns the statements that are left for somebody else.
///
/// Only what is lacking is done, so that a second time changes nothing.
///
/// Roles belong to the server, and its databases may be migrated at the same time. An advisory lock
/// belongs to one database; what all share is the index of the roles' names. Whoever makes roles
/// makes them in one transaction, `fleet_owner` first: the next one waits at that name until the
/// first has committed, and then finds them.
///
/// # Errors
///
/// There is no database, or a table stayed locked.
///
/// # Cancellation
///
/// May be dropped at any time; what was done is done.
pub async fn establish_roles(
    url: &str,
    options: &MigrateOptions,
    sets: &[Migrations],
) -> Result<Vec<String>, StoreError> {
    check_schema_name(&options.schema)?;
    connect::on_session(url, async |client| {
        let patience = format!("set lock_timeout = {}", options.lock_timeout.as_millis());
        run(client, &patience).await?;
        let place = Place::of(client, &options.schema, sets).await?;
        for _ in 0..ROUNDS {
            let is_settled = settle(client, &place).await?;
            if is_settled {
                break;
            }
        }
        place.lacking(client).await
    })
    .await
}

/// Lists what [`establish_roles`] would do, and changes nothing.
///
/// # Errors
///
/// There is no database.
///
/// # Cancellation
///
/// May be dropped at any time.
pub async fn plan_roles(
    url: &str,
    options: &MigrateOptions,
    sets: &[Migrations],
) -> Result<Vec<String>, StoreError> {
    check_schema_name(&options.schema)?;
    connect::on_session(url, async |client| {
        let place = Place::of(client, &options.schema, sets).await?;
        place.lacking(client).await
    })
    .await
}

/// A database, its user, and what is wanted of them.
struct Place {
    of_server: Vec<Wanted>,
    of_database: Vec<Wanted>,
    schemas: Vec<String>,
}

impl Place {
    async fn of(client: &Client, schema: &str, sets: &[Migrations]) -> Result<Self, StoreError> {
        let ask = "select current_user::text, current_database()::text";
        let row = client.query_one(ask, &[]).await;
        let row = row.map_err(failure::of_statement)?;
        let (user, database): (String, String) = (row.get(0), row.get(1));
        let domains = rights::domains_of(sets);
        let mut schemas = vec![schema.to_owned()];
        schemas.extend(domains.iter().cloned());
        Ok(Self {
            of_server: rights::of_server(&user),
            of_database: rights::of_database(&database, schema, &domains),
            schemas,
        })
    }

    /// Lists the statements that are needed, in the order in which they work.
    async fn lacking(&self, client: &Client) -> Result<Vec<String>, StoreError> {
        let mut lacking = needed(client, &self.of_server).await?;
        let foreign = client.query(FOREIGN, &[&self.schemas]).await;
        let foreign = foreign.map_err(failure::of_statement)?;
        lacking.extend(foreign.iter().map(|row| row.get::<_, String>(0)));
        lacking.extend(needed(client, &self.of_database).await?);
        Ok(lacking)
    }
}

/// Does what is lacking once, and tells whether nobody came in between.
async fn settle(client: &Client, place: &Place) -> Result<bool, StoreError> {
    let of_server = needed(client, &place.of_server).await?;
    // Several statements in one message are one transaction.
    if !attempt(client, &of_server.join("; ")).await? {
        return Ok(false);
    }
    for statement in place
        .lacking(client)
        .await?
        .iter()
        .skip_while(|one| of_server.contains(one))
    {
        if !attempt(client, statement).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs statements that may not be this user's to run; false if somebody else is at it.
async fn attempt(client: &Client, sql: &str) -> Result<bool, StoreError> {
    let Err(error) = run(client, sql).await else {
        return Ok(true);
    };
    match error.sqlstate.as_deref() {
        // Not permitted, or of a role that is not there because of that.
        Some("42501" | "42704") => Ok(true),
        // Somebody else made the role, or changed the same row of a catalog ("tuple concurrently
        // updated" has no state of its own).
        Some("42710" | "23505" | "XX000") => Ok(false),
        _ if error.class == StoreErrorClass::Conflict => Ok(false),
        _ => Err(error),
    }
}

async fn needed(client: &Client, wanted: &[Wanted]) -> Result<Vec<String>, StoreError> {
    let looks: Vec<_> = wanted.iter().map(|one| one.is_lacking.as_str()).collect();
    let sql = format!("select array[{}]", looks.join(", "));
    let row = client.query_one(&sql, &[]).await;
    let is_lacking: Vec<bool> = row.map_err(failure::of_statement)?.get(0);
    let lacking = wanted.iter().zip(is_lacking).filter(|(_, lacks)| *lacks);
    Ok(lacking.map(|(one, _)| one.statement.clone()).collect())
}

async fn run(client: &Client, sql: &str) -> Result<(), StoreError> {
    client
        .batch_execute(sql)
        .await
        .map_err(failure::of_statement)
}
