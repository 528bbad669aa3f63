//! `UntagQueue`.

use serde::Deserialize;

use super::{Done, Operation};
use crate::account::Sqs;
use crate::error::Error;

/// Removes tags of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UntagQueue {
    /// Which queue.
    pub queue_url: String,
    /// The keys of the tags; one that is not there is no mistake.
    pub tag_keys: Vec<String>,
}

impl Operation for UntagQueue {
    const NAME: &'static str = "UntagQueue";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        if self.tag_keys.is_empty() {
            return Err(Error::missing("TagKeys"));
        }
        sqs.on_queue(&self.queue_url, |queue, _| {
            queue.tags.remove(&self.tag_keys);
            Ok(Done {})
        })
    }
}
