use anyhow::Context as _;
use fleet::Consumer;
use fleet::service::config::Env;

use crate::app::App;
use crate::cli::Reading;
use crate::exit::Exit;
use crate::{output, settings};

/// Shows the effective configuration, or everything that is wrong with it.
pub(crate) fn config(app: &App, args: &Reading, env: &dyn Env) -> Result<(), Exit> {
    let consumers: Vec<&Consumer> = app.consumers.iter().collect();
    let report = settings::serving(env, &consumers)?.report;
    match args.json {
        true => output::json(&report),
        false => output::data(&output::escape_lines(&report.to_string())),
    }
    .context("cannot write")?;
    Ok(())
}
