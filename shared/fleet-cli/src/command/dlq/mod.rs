//! `dlq`: dead-letter queues.

mod target;

mod look;

mod stats;

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
        }
    })
}
