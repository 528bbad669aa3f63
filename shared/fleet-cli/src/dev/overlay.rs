use std::collections::BTreeMap;

use fleet::Consumer;
use fleet::service::config::{Env, consumer_prefix};

/// How long a receive waits here: ending `dev` waits for the last one.
const RECEIVE_WAIT: &str = "1s";

/// Where the parts of `dev` are.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) database_url: String,
    /// Whether the database was given and outlives this process.
    pub(super) has_given_database: bool,
    pub(super) endpoint: String,
}

/// The environment with the addresses of the embedded parts laid over it.
pub(super) struct Overlay<'a> {
    env: &'a dyn Env,
    /// What counts whatever the environment says.
    fixed: BTreeMap<String, String>,
    /// What counts where the environment says nothing.
    defaults: BTreeMap<String, String>,
}

impl Addresses {
    /// Stands for addresses that are not known yet, to check the rest of the settings.
    pub(super) fn provisional(env: &dyn Env) -> Self {
        let given = given_database(env);
        Self {
            has_given_database: given.is_some(),
            database_url: given.unwrap_or_else(|| "postgres://127.0.0.1/postgres".to_owned()),
            endpoint: "http://127.0.0.1:9324".to_owned(),
        }
    }

    /// Returns the URL of a consumer's queue.
    fn queue_url(&self, consumer: &str) -> String {
        format!("{}/{}/{consumer}", self.endpoint, sqs_local::Sqs::ACCOUNT)
    }
}

/// Returns the database that the environment names.
pub(super) fn given_database(env: &dyn Env) -> Option<String> {
    env.get("DATABASE_URL").filter(|url| !url.trim().is_empty())
}

impl<'a> Overlay<'a> {
    /// Lays the addresses over; a drain shows its summary instead of a line a message.
    pub(super) fn new(
        env: &'a dyn Env,
        addresses: &Addresses,
        consumers: &[Consumer],
        is_drain: bool,
    ) -> Self {
        let mut fixed = BTreeMap::from([
            ("DATABASE_URL".to_owned(), addresses.database_url.clone()),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            (
                "AWS_ENDPOINT_URL_SQS".to_owned(),
                addresses.endpoint.clone(),
            ),
        ]);
        if !addresses.has_given_database {
            // It would lead to another database than the private one.
            fixed.insert("DATABASE_DIRECT_URL".to_owned(), String::new());
        }
        let mut defaults = BTreeMap::from([("ADMIN_ADDR".to_owned(), "127.0.0.1:0".to_owned())]);
        if is_drain {
            defaults.insert("LOG_LEVEL".to_owned(), "error".to_owned());
        }
        for consumer in consumers {
            let prefix = consumer_prefix(consumer.name());
            let url = addresses.queue_url(consumer.name());
            fixed.insert(format!("{prefix}_QUEUE_URL"), url);
            defaults.insert(format!("{prefix}_RECEIVE_WAIT"), RECEIVE_WAIT.to_owned());
        }
        Self {
            env,
            fixed,
            defaults,
        }
    }
}

impl Env for Overlay<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.fixed
            .get(name)
            .cloned()
            .or_else(|| self.env.get(name).filter(|value| !value.trim().is_empty()))
            .or_else(|| self.defaults.get(name).cloned())
    }
}
