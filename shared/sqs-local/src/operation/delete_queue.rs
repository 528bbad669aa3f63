//! `DeleteQueue`.

use serde::Deserialize;

use super::{Done, Operation};
use crate::account::Sqs;
use crate::error::Error;

/// Deletes a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteQueue {
    /// Which queue.
    pub queue_url: String,
}

impl Operation for DeleteQueue {
    const NAME: &'static str = "DeleteQueue";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        sqs.delete(&self.queue_url)?;
        Ok(Done {})
    }
}
