//! The live view of the fleet: asking goes on beside the drawing, and neither waits for the other.

/// What is known at one moment.
mod snapshot;

/// Who asks SQS and the database.
mod gather;

/// A snapshot as tables.
mod sections;

/// Tables on a terminal.
mod frame;

/// The keys.
mod keyboard;

/// The terminal, and what ends the view.
mod live;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use fleet::service::config::Env;

use crate::app::App;
use crate::cli::Top;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{output, settings};
use frame::{Header, Palette};
use gather::Gatherer;
use snapshot::Snapshot;

/// Shows the fleet until somebody has seen enough; once where no person watches.
pub(crate) fn top(app: App, args: &Top, env: &dyn Env) -> Result<(), Exit> {
    let consumers = settings::consumers(env, &app.consumers)?;
    let database = settings::database_if_named(env)?;
    let app = Arc::new(app);
    let runtime = runtime()?;
    let gatherer = runtime.block_on(Gatherer::new(&app, &consumers, database.as_ref()))?;
    if args.once || args.json || !is_watched() {
        let snapshot = runtime.block_on(gatherer.once());
        return print(&snapshot, args);
    }
    let header = Header {
        program: app.name,
        version: app.version,
        every: args.every,
    };
    let ended = live::watch(&runtime, gatherer, header, Palette::of(env));
    // What is being asked at this moment is not waited for.
    runtime.shutdown_background();
    ended
}

/// Tells whether a person watches, and can press keys.
fn is_watched() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && output::is_capable()
}

fn print(snapshot: &Snapshot, args: &Top) -> Result<(), Exit> {
    match args.json {
        true => output::json(snapshot),
        false => output::data(&sections::plain(snapshot)),
    }
    .context("cannot write")?;
    let troubles = snapshot.troubles();
    for trouble in &troubles {
        output::note(&output::escape(trouble.clone()));
    }
    match (snapshot.knows_anything(), snapshot.is_whole()) {
        (true, true) => Ok(()),
        (true, false) => Err(Exit::Partly(anyhow!("not everything could be asked"))),
        (false, _) => Err(anyhow!("nothing could be asked").into()),
    }
}
