use anyhow::Context as _;
use fleet::service::config::Env;

use crate::app::App;
use crate::cli::Resume;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{database, operator, output, settings};

/// Lets a paused consumer receive again.
pub(crate) fn resume(app: &App, args: &Resume, env: &dyn Env) -> Result<(), Exit> {
    let consumer = app.find(&args.consumer)?.name();
    let who = operator::who(env);
    let store = database::beside_work(&settings::database(env)?)?;
    let resumed = runtime()?.block_on(async {
        database::check_runtime(&store, app).await?;
        let resumed = store.resume(consumer, &who).await;
        Ok::<_, Exit>(resumed.with_context(|| format!("{consumer} cannot be resumed"))?)
    })?;
    output::note(&match resumed {
        Some(pause) => {
            let story = output::escape(operator::story(&pause));
            format!("{consumer} is resumed; it was paused {story}")
        }
        None => format!("{consumer} is not paused"),
    });
    Ok(())
}
