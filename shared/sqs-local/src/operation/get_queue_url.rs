//! `GetQueueUrl`.

use serde::Deserialize;

use super::{Operation, QueueUrl};
use crate::account::Sqs;
use crate::error::Error;

/// Finds the URL of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetQueueUrl {
    /// Its name.
    pub queue_name: String,
    /// The account it belongs to; there is only one here.
    #[serde(rename = "QueueOwnerAWSAccountId")]
    pub owner: Option<String>,
}

impl Operation for GetQueueUrl {
    const NAME: &'static str = "GetQueueUrl";
    type Output = QueueUrl;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_name)
    }

    async fn run(self, sqs: &Sqs) -> Result<QueueUrl, Error> {
        if self.queue_name.is_empty() {
            return Err(Error::missing("QueueName"));
        }
        if self.owner.is_some_and(|owner| owner != Sqs::ACCOUNT) {
            return Err(Error::no_such_queue());
        }
        Ok(QueueUrl {
            queue_url: sqs.find_url(&self.queue_name)?,
        })
    }
}
