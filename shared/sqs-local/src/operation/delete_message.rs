//! `DeleteMessage` and `DeleteMessageBatch`.

use serde::{Deserialize, Serialize};

use super::batch::check_entries;
use super::{BatchOutcome, Done, Operation};
use crate::account::Sqs;
use crate::error::Error;
use crate::limits::Millis;
use crate::object;
use crate::queue::Queue;

/// Deletes a message.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteMessage {
    /// Which queue.
    pub queue_url: String,
    /// The receipt of the newest receive.
    pub receipt_handle: String,
}

/// Deletes up to ten messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteMessageBatch {
    /// Which queue.
    pub queue_url: String,
    /// Which messages.
    #[serde(deserialize_with = "object::list")]
    pub entries: Vec<DeleteMessageBatchEntry>,
}

/// A message to delete.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteMessageBatchEntry {
    /// The entry's id, which its result carries.
    pub id: String,
    /// The receipt of the newest receive.
    pub receipt_handle: String,
}

/// An entry of a batch that did what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchSuccess {
    /// The entry's id.
    pub id: String,
}

impl Operation for DeleteMessage {
    const NAME: &'static str = "DeleteMessage";
    type Output = Done;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<Done, Error> {
        sqs.on_queue(&self.queue_url, |queue, now| {
            delete(sqs, queue, now, &self.receipt_handle, Ok(()))
        })?;
        Ok(Done {})
    }
}

impl Operation for DeleteMessageBatch {
    const NAME: &'static str = "DeleteMessageBatch";
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
                let result = delete(sqs, queue, now, &entry.receipt_handle, sqs.entry(index));
                outcome.record(entry.id, result, |id, ()| BatchSuccess { id });
            }
            Ok(outcome)
        })
    }
}

fn delete(
    sqs: &Sqs,
    queue: &mut Queue,
    now: Millis,
    receipt: &str,
    admitted: Result<(), Error>,
) -> Result<(), Error> {
    let deleted = admitted.and_then(|()| queue.delete(now, receipt));
    sqs.note_settled(receipt, deleted.as_ref().map(|deleted| deleted.name()));
    deleted.map(drop)
}
