//! `dlq`: dead-letter queues.

mod target;

mod look;

mod copies;

mod words;

mod record;

mod stats;

mod ls;

mod group;

mod show;

mod portrait;

mod archive;

mod export;

mod identity;

mod imported;

mod import;

mod removal;

mod purge;

mod replay;

mod replays;

mod native;

mod rehearse;

mod edit;

use fleet::service::config::Env;

use crate::app::App;
use crate::cli::dlq::{Dlq, DlqCommand};
use crate::exit::Exit;
use crate::host::runtime;

/// Does what is typed behind `dlq`.
pub(crate) fn dlq(app: &App, args: Dlq, env: &dyn Env) -> Result<(), Exit> {
    runtime()?.block_on(async {
        match args.command {
            DlqCommand::Stats(args) => stats::stats(app, &args, env).await,
            DlqCommand::Ls(args) => ls::ls(app, &args, env).await,
            DlqCommand::Group(args) => group::group(app, &args, env).await,
            DlqCommand::Show(args) => show::show(app, &args, env).await,
            DlqCommand::Replay(args) if args.rehearse => {
                let rehearsing = rehearse::Rehearsing {
                    queue: &args.queue.name,
                    filter: &args.filter,
                    scan: args.scan.scan,
                    max: args.max,
                    json: args.json,
                };
                rehearse::rehearse(app, rehearsing, env).await
            }
            DlqCommand::Replay(args) if args.native => native::replay(app, &args, env).await,
            DlqCommand::Replay(args) => replay::replay(app, &args, env).await,
            DlqCommand::Replays(args) => replays::replays(app, &args, env).await,
            DlqCommand::Edit(args) => edit::edit(app, &args, env).await,
            DlqCommand::Export(args) => export::export(app, &args, env).await,
            DlqCommand::Import(args) => import::import(app, &args, env).await,
            DlqCommand::Purge(args) => purge::purge(app, &args, env).await,
        }
    })
}
