use std::collections::BTreeMap;

use fleet::Consumer;
use fleet::service::config::{Env, consumer_prefix};

use super::embedded::Embedded;

/// How long a receive waits here: ending `dev` waits for the last one.
const RECEIVE_WAIT: &str = "1s";

/// The environment with the addresses of the embedded parts laid over it.
pub(super) struct Overlay<'a> {
    env: &'a dyn Env,
    /// What counts whatever the environment says.
    fixed: BTreeMap<String, String>,
    /// What counts where the environment says nothing.
    defaults: BTreeMap<String, String>,
}

impl<'a> Overlay<'a> {
    /// Lays the addresses over; a drain shows its summary instead of a line a message.
    pub(super) fn new(
        env: &'a dyn Env,
        embedded: &Embedded,
        consumers: &[Consumer],
        is_drain: bool,
    ) -> Self {
        let mut fixed = BTreeMap::from([
            (
                "DATABASE_URL".to_owned(),
                embedded.database_url().to_owned(),
            ),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL_SQS".to_owned(), embedded.endpoint()),
        ]);
        let mut defaults = BTreeMap::from([("ADMIN_ADDR".to_owned(), "127.0.0.1:0".to_owned())]);
        if is_drain {
            defaults.insert("LOG_LEVEL".to_owned(), "error".to_owned());
        }
        for consumer in consumers {
            let prefix = consumer_prefix(consumer.name());
            fixed.insert(
                format!("{prefix}_QUEUE_URL"),
                embedded.queue_url(consumer.name()),
            );
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
            .or_else(|| self.env.get(name).filter(|value| !value.is_empty()))
            .or_else(|| self.defaults.get(name).cloned())
    }
}
