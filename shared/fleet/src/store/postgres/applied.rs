use std::collections::BTreeMap;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::migrations::{MigrateError, Migrations, PlannedMigration};
use super::sql::render;
use super::{PostgresStore, failure};
use crate::store::StoreError;

impl PostgresStore {
    /// Lists the migrations that the database lacks for this program; none means ready.
    ///
    /// A database that is newer is ready: the schema expands before it contracts.
    ///
    /// # Errors
    ///
    /// As the class says.
    ///
    /// # Cancellation
    ///
    /// May be dropped at any time.
    pub async fn check_schema(
        &self,
        sets: &[Migrations],
    ) -> Result<Vec<PlannedMigration>, StoreError> {
        let sql = render(
            "select owner, max(number) from {schema}.migrations group by owner",
            &self.shared.schema,
        );
        let applied = match self.query(&sql, &[]).await {
            Ok(rows) => rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
            Err(error) if is_missing(error.sqlstate.as_deref()) => BTreeMap::<String, i32>::new(),
            Err(error) => return Err(error),
        };
        Ok(steps(sets)
            .filter(|step| {
                let last = applied.get(step.owner).copied().unwrap_or(0);
                i64::from(step.migration.number) > i64::from(last)
            })
            .collect())
    }
}

/// Compares what was applied with what is known, and returns what is lacking.
pub(super) async fn compare(
    client: &Client,
    schema: &str,
    sets: &[Migrations],
) -> Result<Vec<PlannedMigration>, MigrateError> {
    let applied = read_applied(client, schema).await?;
    let mut lacking = Vec::new();
    for set in sets {
        let known = u32::try_from(set.steps.len()).unwrap_or(u32::MAX);
        let found = applied
            .keys()
            .filter(|(owner, _)| owner == set.owner)
            .map(|(_, n)| *n)
            .max();
        if let Some(found) = found.filter(|found| *found > known) {
            return Err(MigrateError::Newer {
                owner: set.owner,
                found,
                known,
            });
        }
    }
    for (step, checksum) in checksums(client, sets).await? {
        match applied.get(&(step.owner.to_owned(), step.migration.number)) {
            None => lacking.push(step),
            Some(recorded) if *recorded == checksum => {}
            Some(_) => return Err(MigrateError::Changed(step)),
        }
    }
    Ok(lacking)
}

type Applied = BTreeMap<(String, u32), String>;

async fn read_applied(client: &Client, schema: &str) -> Result<Applied, StoreError> {
    let sql = render(
        "select owner, number, checksum from {schema}.migrations",
        schema,
    );
    match client.query(&sql, &[]).await {
        Ok(rows) => Ok(rows
            .iter()
            .map(|row| {
                let number = u32::try_from(row.get::<_, i32>(1)).unwrap_or(u32::MAX);
                ((row.get(0), number), row.get(2))
            })
            .collect()),
        Err(error) if is_missing(error.code().map(SqlState::code)) => Ok(Applied::new()),
        Err(error) => Err(failure::of_statement(error)),
    }
}

/// Has the checksums computed by the server, which knows the algorithm anyway.
async fn checksums(
    client: &Client,
    sets: &[Migrations],
) -> Result<Vec<(PlannedMigration, String)>, MigrateError> {
    for set in sets {
        for (expected, step) in (1u32..).zip(set.steps) {
            if step.number != expected {
                return Err(MigrateError::Misnumbered {
                    owner: set.owner,
                    number: step.number,
                });
            }
        }
    }
    let texts: Vec<&str> = steps(sets).map(|step| step.migration.sql).collect();
    let sql = "select encode(sha256(convert_to(text, 'UTF8')), 'hex')
        from unnest($1::text[]) with ordinality as t (text, n) order by n";
    let rows = client
        .query(sql, &[&texts])
        .await
        .map_err(failure::of_statement)?;
    Ok(steps(sets).zip(rows.iter().map(|row| row.get(0))).collect())
}

fn steps(sets: &[Migrations]) -> impl Iterator<Item = PlannedMigration> {
    sets.iter().flat_map(|set| {
        set.steps.iter().map(|step| PlannedMigration {
            owner: set.owner,
            migration: *step,
        })
    })
}

/// No schema or no table yet: nothing was applied.
fn is_missing(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("42P01" | "3F000"))
}
