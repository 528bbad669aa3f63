//! `ListDeadLetterSourceQueues`.

use serde::{Deserialize, Serialize};

use super::Operation;
use super::list::page;
use crate::account::Sqs;
use crate::error::Error;

/// Lists the queues that have this one as their dead-letter queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListDeadLetterSourceQueues {
    /// Which queue.
    pub queue_url: String,
    /// How many at most, from 1 to 1,000; without it there are no further pages.
    pub max_results: Option<i32>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// A page of queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListDeadLetterSourceQueuesOutput {
    /// Their URLs. The name in lower case is that of the API.
    #[serde(rename = "queueUrls")]
    pub queue_urls: Vec<String>,
    /// Where this page ends, if there is another.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Operation for ListDeadLetterSourceQueues {
    const NAME: &'static str = "ListDeadLetterSourceQueues";
    type Output = ListDeadLetterSourceQueuesOutput;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<ListDeadLetterSourceQueuesOutput, Error> {
        let names = sqs.sources(&self.queue_url)?;
        let page = page(names, self.max_results, self.next_token.as_deref())?;
        Ok(ListDeadLetterSourceQueuesOutput {
            queue_urls: page
                .names
                .iter()
                .map(|name| sqs.queue_url(name.as_str()))
                .collect(),
            next_token: page.next_token,
        })
    }
}
