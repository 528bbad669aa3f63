//! `GetQueueAttributes`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Operation;
use crate::account::Sqs;
use crate::error::Error;
use crate::queue::QueueAttribute;

/// Asks for attributes of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetQueueAttributes {
    /// Which queue.
    pub queue_url: String,
    /// Which attributes, or `All`; none by default.
    pub attribute_names: Vec<String>,
}

/// Attributes of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetQueueAttributesOutput {
    /// Values by name; attributes without a value are missing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<&'static str, String>,
}

impl Operation for GetQueueAttributes {
    const NAME: &'static str = "GetQueueAttributes";
    type Output = GetQueueAttributesOutput;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<GetQueueAttributesOutput, Error> {
        let mut wanted: Vec<QueueAttribute> = Vec::new();
        for name in &self.attribute_names {
            match name.as_str() {
                "All" => wanted.extend(QueueAttribute::ALL),
                name => wanted.push(name.parse()?),
            }
        }
        sqs.on_queue(&self.queue_url, |queue, _| {
            let value =
                |attribute: QueueAttribute| Some((attribute.name(), queue.attribute(attribute)?));
            let attributes = wanted.into_iter().filter_map(value).collect();
            Ok(GetQueueAttributesOutput { attributes })
        })
    }
}
