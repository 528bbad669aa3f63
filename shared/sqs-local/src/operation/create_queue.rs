//! `CreateQueue`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Operation;
use crate::account::Sqs;
use crate::error::Error;
use crate::queue::QueueName;

/// Makes a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateQueue {
    /// Its name.
    pub queue_name: String,
    /// Attributes that differ from the defaults, by name.
    pub attributes: BTreeMap<String, String>,
    /// Its tags. The name in lower case is that of the API.
    #[serde(rename = "tags")]
    pub tags: BTreeMap<String, String>,
}

/// The URL of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueueUrl {
    /// The URL.
    pub queue_url: String,
}

impl Operation for CreateQueue {
    const NAME: &'static str = "CreateQueue";
    type Output = QueueUrl;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_name)
    }

    async fn run(self, sqs: &Sqs) -> Result<QueueUrl, Error> {
        if self.queue_name.is_empty() {
            return Err(Error::missing("QueueName"));
        }
        let name = QueueName::parse(&self.queue_name)?;
        Ok(QueueUrl {
            queue_url: sqs.create(name, &self.attributes, &self.tags)?,
        })
    }
}
