//! `ChangeMessageVisibility` and `ChangeMessageVisibilityBatch`.

use serde::Deserialize;

use super::batch::check_entries;
use super::{BatchOutcome, BatchSuccess, Done, Operation};
use crate::account::Sqs;
use crate::error::Error;
use crate::limits::Millis;
use crate::object;
use crate::queue::Queue;

/// Sets how long, from now, a message stays invisible.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChangeMessageVisibility {
    /// Which queue.
    pub queue_url: String,
    /// The receipt of the newest receive.
    pub receipt_handle: String,
    /// Seconds, 0 to 43,200; required.
    pub visibility_timeout: Option<i32>,
}

/// Sets how long up to ten messages stay invisible.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChangeMessageVisibilityBatch {
    /// Which queue.
    pub queue_url: String,
    /// Which messages.
    #[serde(deserialize_with = "object::list")]
    pub entries: Vec<ChangeMessageVisibilityBatchEntry>,
}

/// A message whose visibility changes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChangeMessageVisibilityBatchEntry {
    /// The entry's id, which its result carries.
    pub id: String,
    /// The receipt of the newest receive.
    pub receipt_handle: String,
    /// Seconds, 0 to 43,200; required.
    pub visibility_timeout: Option<i32>,
}

impl Operation for ChangeMessageVisibility {
    const NAME: &'static str = "ChangeMessageVisibility";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        sqs.on_queue(&self.queue_url, |queue, now| {
            let secs = required(self.visibility_timeout);
            change(sqs, queue, now, &self.receipt_handle, secs)
        })?;
        Ok(Done {})
    }
}

impl Operation for ChangeMessageVisibilityBatch {
    const NAME: &'static str = "ChangeMessageVisibilityBatch";
    type Output = BatchOutcome<BatchSuccess>;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }

    async fn run(self, sqs: &Sqs) -> Result<Self::Output, Error> {
        sqs.on_queue(&self.queue_url, |queue, now| {
            check_entries(
                Self::NAME,
                self.entries.iter().map(|entry| entry.id.as_str()),
            )?;
            let mut outcome = BatchOutcome::with_capacity(self.entries.len());
            for (index, entry) in self.entries.into_iter().enumerate() {
                let secs = sqs
                    .entry(index)
                    .and_then(|()| required(entry.visibility_timeout));
                let result = change(sqs, queue, now, &entry.receipt_handle, secs);
                outcome.record(entry.id, result, |id, ()| BatchSuccess { id });
            }
            Ok(outcome)
        })
    }
}

fn change(
    sqs: &Sqs,
    queue: &mut Queue,
    now: Millis,
    receipt: &str,
    secs: Result<i32, Error>,
) -> Result<(), Error> {
    let changed = secs.and_then(|secs| queue.change_visibility(now, receipt, secs));
    sqs.note_settled(receipt, changed.as_ref().map(|()| "changed"));
    changed
}

fn required(secs: Option<i32>) -> Result<i32, Error> {
    secs.ok_or_else(|| Error::missing("VisibilityTimeout"))
}
