//! Events that are on their way to a queue and did not get there.

/// What came of the wish to change parked rows.
mod tally;

mod discard;

mod ls;

mod retry;

mod stats;

use fleet::service::config::Env;

use crate::app::App;
use crate::cli::outbox::{Outbox, OutboxCommand};
use crate::exit::Exit;
use crate::host::runtime;
use crate::{database, operator, settings};

/// Shows the outbox, or decides on what is parked in it.
pub(crate) fn outbox(app: &App, args: &Outbox, env: &dyn Env) -> Result<(), Exit> {
    let store = database::beside_work(&settings::database(env)?)?;
    let who = operator::who(env);
    runtime()?.block_on(async {
        database::check_runtime(&store, app).await?;
        let ended = match &args.command {
            OutboxCommand::Stats(args) => stats::stats(&store, args).await,
            OutboxCommand::Ls(args) => ls::ls(&store, args).await,
            OutboxCommand::Retry(args) => retry::retry(&store, args, &who).await,
            OutboxCommand::Discard(args) => discard::discard(&store, args, &who).await,
        };
        // Relays are told of what they can send now.
        store.close().await;
        ended
    })
}
