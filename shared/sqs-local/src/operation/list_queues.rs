//! `ListQueues`.

use serde::{Deserialize, Serialize};

use super::Operation;
use super::list::page;
use crate::account::Sqs;
use crate::error::Error;

/// Lists queues.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListQueues {
    /// What their names start with.
    pub queue_name_prefix: Option<String>,
    /// How many at most, from 1 to 1,000; without it there are no further pages.
    pub max_results: Option<i32>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// A page of queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListQueuesOutput {
    /// Their URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queue_urls: Vec<String>,
    /// Where this page ends, if there is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Operation for ListQueues {
    const NAME: &'static str = "ListQueues";
    type Output = ListQueuesOutput;

    fn queue(&self) -> Option<&str> {
        None
    }

    async fn run(self, sqs: &Sqs) -> Result<ListQueuesOutput, Error> {
        let prefix = self.queue_name_prefix.as_deref().unwrap_or_default();
        let mut names = sqs.names();
        names.retain(|name| name.as_str().starts_with(prefix));
        let page = page(names, self.max_results, self.next_token.as_deref())?;
        Ok(ListQueuesOutput {
            queue_urls: page
                .names
                .iter()
                .map(|name| sqs.queue_url(name.as_str()))
                .collect(),
            next_token: page.next_token,
        })
    }
}
