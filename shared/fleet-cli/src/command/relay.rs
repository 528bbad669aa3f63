use std::collections::BTreeMap;
use std::sync::Arc;

use fleet::Consumer;
use fleet::queue::{ClientOptions, Queue, Sqs};
use fleet::relay::Relay;
use fleet::service::config::{Env, Loaded};

use crate::app::App;
use crate::crew::{self, Site};
use crate::exit::Exit;
use crate::host::{Host, runtime};
use crate::presence::Presence;
use crate::{database, settings};

/// Publishes the outbox until SIGTERM.
pub(crate) fn relay(app: App, env: &dyn Env) -> Result<(), Exit> {
    let consumers: Vec<&Consumer> = app.consumers.iter().collect();
    let Loaded { settings, report } = settings::serving(env, &consumers)?;
    let queues = settings::known_queues(env, &app.consumers);
    let store = database::for_work(&settings.database)?;
    let runtime = runtime()?;
    let host = Host::start(&app, &settings.service, runtime.handle())?;
    host.warn(&report.warnings);
    runtime.block_on(async {
        let sqs = Sqs::connect().await;
        let site = Site {
            settings: &settings,
            queues: &queues,
            sqs: &sqs,
            store: &store,
            host: &host,
            refit: app.refit.as_ref(),
        };
        let ended = serve(&app, &site).await;
        store.close().await;
        host.stop().await;
        ended
    })
}

async fn serve(app: &App, site: &Site<'_>) -> Result<(), Exit> {
    crew::find_all(site).await?;
    let presence = Presence::begin(app, "relay", site, &[])?;
    crew::await_schema(site, app).await;
    presence.serve(&[]);
    site.host.health.set_started();
    publish(site).await;
    presence.end().await;
    Ok(())
}

/// Publishes to the queues of all consumers until the shutdown begins.
pub(crate) async fn publish(site: &Site<'_>) {
    let Site {
        settings,
        sqs,
        store,
        host,
        ..
    } = site;
    let destinations: BTreeMap<String, Arc<dyn Queue>> = settings
        .consumers
        .iter()
        .map(|config| {
            let queue = sqs.queue(config.queue_url.as_str(), ClientOptions::calling());
            (config.name.clone(), Arc::new(queue) as Arc<dyn Queue>)
        })
        .collect();
    let relay = Relay::new(
        Arc::new((*store).clone()),
        destinations,
        host.jitter.clone(),
    );
    relay
        .run(&host.health, host.shutdown.stop_receiving.clone())
        .await;
}
