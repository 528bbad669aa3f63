use anyhow::Context as _;
use fleet::service::config::Env;
use fleet::store::{self, MigrateError, MigrateOptions, PlannedMigration};
use serde::Serialize;

use crate::app::App;
use crate::cli::Migrate;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{output, settings};

#[derive(Serialize)]
struct Row {
    owner: &'static str,
    number: u32,
    name: &'static str,
    applied: bool,
}

/// Applies the migrations that the database lacks, or lists them.
pub(crate) fn migrate(app: &App, args: &Migrate, env: &dyn Env) -> Result<(), Exit> {
    let database = settings::database(env)?;
    // The lock belongs to a session, which a transaction pooler does not give.
    let url = database
        .direct_url
        .as_ref()
        .unwrap_or(&database.url)
        .expose();
    let options = MigrateOptions {
        schema: database.schema.clone(),
        ..MigrateOptions::default()
    };
    let sets = &app.migrations;
    let done = runtime()?.block_on(async {
        let steps = match args.plan {
            true => store::plan(url, &options, sets).await,
            false => store::migrate(url, &options, sets, &app.subscriptions()).await,
        };
        let rights = match args.plan {
            true => store::plan_roles(url, &options, sets).await,
            false => store::establish_roles(url, &options, sets).await,
        };
        Ok((steps?, rights?))
    });
    let (steps, rights) = done.map_err(ended_by)?;
    note_rights(&rights, args.plan);
    let rows: Vec<Row> = steps.iter().map(|step| row(step, !args.plan)).collect();
    if args.json {
        output::json(&rows).context("cannot write")?;
        return Ok(());
    }
    for step in &steps {
        output::data(&step.to_string()).context("cannot write")?;
    }
    output::note(&match (steps.len(), args.plan) {
        (0, _) => "nothing to apply".to_owned(),
        (count, true) => format!("{count} to apply"),
        (count, false) => format!("{count} applied"),
    });
    Ok(())
}

/// Says what roles lack; a fleet whose processes share one user works without them.
fn note_rights(statements: &[String], is_plan: bool) {
    if statements.is_empty() {
        return;
    }
    output::note(match is_plan {
        true => "the roles of docs/security.md need these statements:",
        false => "this user may not set up the roles of docs/security.md; an administrator can:",
    });
    for statement in statements {
        output::note(&output::escape(format!("{statement};")));
    }
}

/// A database that this program must not touch is a refusal; all else may pass.
pub(crate) fn ended_by(error: MigrateError) -> Exit {
    match error {
        MigrateError::Newer { .. } | MigrateError::Changed(_) => Exit::Refused(error.into()),
        error => Exit::Failed(anyhow::Error::new(error).context("cannot migrate the database")),
    }
}

fn row(step: &PlannedMigration, applied: bool) -> Row {
    Row {
        owner: step.owner,
        number: step.migration.number,
        name: step.migration.name,
        applied,
    }
}
