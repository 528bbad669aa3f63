//! `StartMessageMoveTask`.

use serde::{Deserialize, Serialize};

use super::{Need, Operation};
use crate::account::{MoveWish, Sqs};
use crate::error::Error;
use crate::limits::MOVES_PER_SECOND_MAX;

/// Starts to move messages out of a dead-letter queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StartMessageMoveTask {
    /// Out of which queue: the dead-letter queue of another.
    pub source_arn: String,
    /// Where to; without it each message goes back to the queue it comes from.
    pub destination_arn: Option<String>,
    /// Messages a second, 1 to 500.
    pub max_number_of_messages_per_second: Option<i32>,
}

/// The task that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartMessageMoveTaskOutput {
    /// What it is cancelled by.
    pub task_handle: String,
}

impl Operation for StartMessageMoveTask {
    const NAME: &'static str = "StartMessageMoveTask";
    type Output = StartMessageMoveTaskOutput;

    fn queue(&self) -> Option<&str> {
        self.source_arn.rsplit(':').next()
    }

    fn needs(&self) -> Vec<Need<'_>> {
        let mut needs = Need::of_moving(Self::NAME, self.queue());
        if let Some(destination) = &self.destination_arn {
            needs.push(Need::new("SendMessage", Some(destination)));
        }
        needs
    }

    async fn run(self, sqs: &Sqs) -> Result<StartMessageMoveTaskOutput, Error> {
        let task_handle = sqs.start_move(&MoveWish {
            source_arn: &self.source_arn,
            destination_arn: self.destination_arn.as_deref(),
            rate: self.rate()?,
        })?;
        Ok(StartMessageMoveTaskOutput { task_handle })
    }
}

impl StartMessageMoveTask {
    fn rate(&self) -> Result<Option<u32>, Error> {
        match self.max_number_of_messages_per_second {
            None => Ok(None),
            Some(rate) if (1..=MOVES_PER_SECOND_MAX).contains(&rate) => {
                Ok(Some(rate.unsigned_abs()))
            }
            Some(rate) => Err(Error::invalid_value(
                rate,
                "MaxNumberOfMessagesPerSecond",
                "Must be between 1 and 500, if provided.",
            )),
        }
    }
}
