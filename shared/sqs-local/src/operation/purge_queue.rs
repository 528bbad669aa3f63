//! `PurgeQueue`.

use serde::Deserialize;

use super::{Done, Operation};
use crate::account::Sqs;
use crate::error::Error;

/// Removes every message of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PurgeQueue {
    /// Which queue.
    pub queue_url: String,
}

impl Operation for PurgeQueue {
    const NAME: &'static str = "PurgeQueue";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        sqs.purge(&self.queue_url)?;
        Ok(Done {})
    }
}
