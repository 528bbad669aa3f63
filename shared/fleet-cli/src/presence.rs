//! What a serving process does beside its work.

use fleet::consume::Worker;
use fleet::service::machine;
use fleet::store::Process;
use fleet::upkeep::{Serving, Upkeep};
use jiff::Timestamp;
use uuid::Uuid;

use crate::app::App;
use crate::crew::Site;
use crate::database;
use crate::exit::Exit;

/// Lets a process show itself as `kind`, heed the pauses of its workers, and prune when it is its turn.
///
/// No worker receives before the pauses were read once.
pub(crate) fn begin(
    app: &App,
    kind: &str,
    workers: &[Worker],
    site: &Site<'_>,
) -> Result<Upkeep, Exit> {
    let process = Process {
        id: Uuid::new_v4().to_string(),
        host: machine::host_name(),
        pid: std::process::id(),
        kind: kind.to_owned(),
        version: app.version.to_owned(),
        build: app.commit.to_owned(),
        started_at: Timestamp::now(),
    };
    Ok(Upkeep::start(
        process,
        workers.iter().map(Serving::of).collect(),
        database::beside_work(&site.settings.database)?,
        site.host.aside(),
        site.host.health.clone(),
        &site.host.jitter,
    ))
}
