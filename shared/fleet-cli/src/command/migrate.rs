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
    let steps = runtime()?.block_on(async {
        match args.plan {
            true => store::plan(url, &options, &app.migrations).await,
            false => store::migrate(url, &options, &app.migrations, &app.subscriptions()).await,
        }
    });
    let steps = steps.map_err(ended_by)?;
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
