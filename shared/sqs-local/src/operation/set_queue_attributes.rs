//! `SetQueueAttributes`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Done, Operation};
use crate::account::Sqs;
use crate::error::Error;

/// Sets attributes of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SetQueueAttributes {
    /// Which queue.
    pub queue_url: String,
    /// Values by name.
    pub attributes: BTreeMap<String, String>,
}

impl Operation for SetQueueAttributes {
    const NAME: &'static str = "SetQueueAttributes";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        if self.attributes.is_empty() {
            return Err(Error::missing("Attribute.Name"));
        }
        sqs.set_attributes(&self.queue_url, &self.attributes)?;
        Ok(Done {})
    }
}
