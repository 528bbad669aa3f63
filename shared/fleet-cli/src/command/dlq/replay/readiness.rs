use anyhow::Context as _;
use fleet::store::PostgresStore;

use super::destination::Place;
use crate::cli::replay::Replay;
use crate::exit::Exit;
use crate::muster::Muster;

/// Refuses a canary of which nothing could be learnt.
pub(super) async fn check(
    store: &PostgresStore,
    place: &Place<'_>,
    args: &Replay,
) -> Result<(), Exit> {
    if args.canary.is_none() {
        return Ok(());
    }
    let Some(consumer) = place.consumer else {
        return Err(Exit::refused(format!(
            "{} is the queue of no consumer of this program, so nothing is known of what becomes \
             of a canary; leave --canary away",
            place.name
        )));
    };
    match obstacle(store, consumer).await? {
        Some(why) => Err(Exit::refused(format!(
            "nobody would tell what becomes of the canary: {why}"
        ))),
        None => Ok(()),
    }
}

/// Says why a consumer does nothing at this moment, if so.
pub(super) async fn obstacle(
    store: &PostgresStore,
    consumer: &str,
) -> Result<Option<String>, Exit> {
    let muster = Muster::call(store, &[consumer])
        .await
        .context("the database cannot be asked who serves")?;
    if let Some(pause) = muster.pause(consumer) {
        let why = format!("{consumer} is paused by {}: {}", pause.by, pause.reason);
        return Ok(Some(why));
    }
    let serving = muster.serving(consumer);
    let down = serving.iter().find_map(|one| one.down.first());
    let all_down = serving.iter().all(|one| !one.down.is_empty());
    Ok(match (serving.is_empty(), down) {
        (true, _) => Some(format!("no process serves {consumer}")),
        (false, Some(dependency)) if all_down => {
            let why = format!("the breaker of {consumer} is open, because {dependency} is down");
            Some(why)
        }
        (false, _) => None,
    })
}
