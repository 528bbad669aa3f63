//! `ListQueueTags`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Operation;
use crate::account::Sqs;
use crate::error::Error;

/// Lists the tags of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListQueueTags {
    /// Which queue.
    pub queue_url: String,
}

/// The tags of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueueTagsOutput {
    /// Values by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Operation for ListQueueTags {
    const NAME: &'static str = "ListQueueTags";
    type Output = ListQueueTagsOutput;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<ListQueueTagsOutput, Error> {
        let tags = sqs.on_queue(&self.queue_url, |queue, _| Ok(queue.tags.as_map().clone()))?;
        Ok(ListQueueTagsOutput { tags })
    }
}
