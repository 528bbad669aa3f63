use anyhow::Context as _;
use fleet::service::config::Env;
use fleet::store::Pausing;

use crate::app::App;
use crate::cli::Pause;
use crate::exit::Exit;
use crate::host::runtime;
use crate::{database, operator, output, settings};

/// Stops a consumer's receiving in every process, for good or for a time.
pub(crate) fn pause(app: &App, args: &Pause, env: &dyn Env) -> Result<(), Exit> {
    let consumer = app.find(&args.consumer)?.name();
    let who = operator::who(env);
    let store = database::beside_work(&settings::database(env)?)?;
    let pausing = runtime()?.block_on(async {
        database::check_runtime(&store, app).await?;
        let pausing = store.pause(consumer, &args.reason, &who, args.length);
        let pausing = pausing.await;
        Ok::<_, Exit>(pausing.with_context(|| format!("{consumer} cannot be paused"))?)
    })?;
    match pausing {
        Pausing::Paused(pause) => {
            let end = match pause.until {
                Some(until) => format!("until {until:.0}"),
                None => "until it is resumed".to_owned(),
            };
            output::note(&format!(
                "{consumer} is paused {end}; processes that run stop receiving within 5 s"
            ));
            Ok(())
        }
        Pausing::AlreadyPaused(pause) => {
            let story = operator::story(&pause);
            let text = format!("{consumer} is already paused, {story}; resume it first");
            Err(Exit::refused(text))
        }
    }
}
