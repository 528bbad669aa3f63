use anyhow::Context as _;
use fleet::queue::Sqs;
use fleet::service::config::Env;
use fleet::testing::cluster::{Cluster, Durability};
use sqs_local::http::Server;

use super::migrate;
use super::overlay::{Addresses, given_database};
use crate::app::App;
use crate::exit::Exit;

/// The settings of the queues here; they are those that the documentation recommends.
const VISIBILITY_SECS: u32 = 60;
const RECEIVES_MAX: u32 = 100;
const DEAD_LETTER_RETENTION_SECS: u32 = 14 * 86_400;

/// What `dev` brings along: an SQS stand-in, and a Postgres where none is given.
pub(super) struct Embedded {
    server: Server,
    cluster: Option<Cluster>,
    addresses: Addresses,
}

impl Embedded {
    /// Starts what is needed, migrates the database, and makes the queues.
    pub(super) async fn start(app: &App, env: &dyn Env, schema: &str) -> Result<Self, Exit> {
        let (cluster, database_url) = match given_database(env) {
            Some(url) => (None, url),
            None => {
                let cluster = Cluster::start_with(Durability::Durable)
                    .await
                    .context("cannot start a private Postgres")?;
                let url = cluster.url();
                (Some(cluster), url)
            }
        };
        migrate(app, &database_url, schema).await?;
        let server = serve(env).await?;
        let addresses = Addresses {
            database_url,
            has_given_database: cluster.is_none(),
            endpoint: server.url(),
        };
        let sqs = Sqs::local(&addresses.endpoint);
        for consumer in &app.consumers {
            create_queues(&sqs, consumer.name()).await?;
        }
        Ok(Self {
            server,
            cluster,
            addresses,
        })
    }

    /// Returns where everything is.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Ends what was started.
    pub(super) async fn stop(self) {
        self.server.shutdown().await;
        let Some(cluster) = self.cluster else { return };
        if let Err(error) = cluster.stop().await {
            crate::output::note(&format!("the private Postgres did not end well: {error}"));
        }
    }
}

/// Listens where AWS_ENDPOINT_URL_SQS says, else on a free port.
async fn serve(env: &dyn Env) -> Result<Server, Exit> {
    let named = ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|variable| Some((variable, env.get(variable).filter(|url| !url.is_empty())?)));
    let Some((variable, url)) = named else {
        let bound = Server::bind("127.0.0.1:0", sqs_local::Sqs::default()).await;
        return Ok(bound.context("cannot listen on 127.0.0.1")?);
    };
    let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let bound = Server::bind(authority, sqs_local::Sqs::default()).await;
    bound.map_err(|error| {
        let text = format!(
            "{variable}: cannot listen on {authority}; name a free port, as in \
             http://127.0.0.1:9324, or unset it"
        );
        Exit::Refused(anyhow::Error::new(error).context(text))
    })
}

async fn create_queues(sqs: &Sqs, name: &str) -> Result<(), Exit> {
    let dead = format!("{name}-dlq");
    let retention = [(
        "MessageRetentionPeriod",
        DEAD_LETTER_RETENTION_SECS.to_string(),
    )];
    sqs.create(&dead, &retention)
        .await
        .with_context(|| format!("cannot create queue {dead}"))?;
    let redrive = serde_json::json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead}"),
        "maxReceiveCount": RECEIVES_MAX,
    });
    let attributes = [
        ("VisibilityTimeout", VISIBILITY_SECS.to_string()),
        ("RedrivePolicy", redrive.to_string()),
    ];
    sqs.create(name, &attributes)
        .await
        .with_context(|| format!("cannot create queue {name}"))?;
    Ok(())
}
