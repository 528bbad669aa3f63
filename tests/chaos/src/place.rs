//! Where the fleet under attack works.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::role::{DOWNSTREAM, LEDGER, ROLE};

/// The dead-letter queue of the ledger.
pub const LEDGER_DLQ: &str = "ledger-dlq";

/// What a process is given of the environment of this one.
const KEPT: [&str; 2] = ["PATH", "TMPDIR"];

/// What every process is told: short waits, so that a kill costs little, and modest pools, since
/// two cores carry it all.
const SETTINGS: [(&str, &str); 9] = [
    (ROLE, "1"),
    ("ADMIN_ADDR", "127.0.0.1:0"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("DATABASE_POOL_SIZE", "4"),
    ("LEDGER_CONCURRENCY", "32"),
    ("LEDGER_RECEIVE_WAIT", "1s"),
    ("LOG_SUCCESS", "none"),
    // The least beside a wait of 1 s; the downstream queue has one, too.
    ("SHUTDOWN_GRACE", "10s"),
];

/// What the processes are given.
#[derive(Debug)]
pub struct Place {
    /// This program.
    pub program: PathBuf,
    /// Where their output is kept.
    pub work: PathBuf,
    /// Whom they end with.
    pub group: i32,
    /// Where SQS is.
    pub endpoint: String,
    /// Where Postgres is.
    pub database_url: String,
    /// What else they are told.
    pub extra: BTreeMap<String, String>,
}

impl Place {
    /// Returns the URL of a queue.
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.endpoint)
    }

    /// Returns the environment of the process that has this access key.
    pub fn environment(&self, key: &str) -> BTreeMap<String, String> {
        let kept = KEPT.iter().filter_map(|name| {
            let value = std::env::var(name).ok()?;
            Some(((*name).to_owned(), value))
        });
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ours = [
            ("AWS_ACCESS_KEY_ID", key.to_owned()),
            ("AWS_ENDPOINT_URL_SQS", self.endpoint.clone()),
            ("DATABASE_URL", self.database_url.clone()),
            ("LEDGER_QUEUE_URL", self.queue_url(LEDGER)),
            ("DOWNSTREAM_QUEUE_URL", self.queue_url(DOWNSTREAM)),
            ("DOWNSTREAM_RECEIVE_WAIT", "1s".to_owned()),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value));
        let extra = self.extra.clone();
        kept.chain(settings).chain(ours).chain(extra).collect()
    }
}
