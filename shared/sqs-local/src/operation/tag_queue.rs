//! `TagQueue`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Done, Operation};
use crate::account::Sqs;
use crate::error::Error;

/// Adds tags to a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TagQueue {
    /// Which queue.
    pub queue_url: String,
    /// Values by key; one that is there is replaced.
    pub tags: BTreeMap<String, String>,
}

impl Operation for TagQueue {
    const NAME: &'static str = "TagQueue";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        if self.tags.is_empty() {
            return Err(Error::missing("Tags"));
        }
        sqs.on_queue(&self.queue_url, |queue, _| {
            queue.tags = queue.tags.with(&self.tags)?;
            Ok(Done {})
        })
    }
}
