//! `ListMessageMoveTasks`.

use serde::{Deserialize, Serialize};

use super::{Need, Operation};
use crate::account::Sqs;
use crate::error::Error;
use crate::limits::{MOVE_TASKS_MAX, Millis};
use crate::queue::{MoveStatus, MoveTask};

/// Lists the latest move tasks of a queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListMessageMoveTasks {
    /// Out of which queue they move.
    pub source_arn: String,
    /// How many at most, 1 to 10; 1 by default.
    pub max_results: Option<i32>,
}

/// The tasks, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMessageMoveTasksOutput {
    /// The tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ListedMoveTask>,
}

/// A move task as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListedMoveTask {
    /// What it is cancelled by, as long as it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_handle: Option<String>,
    /// `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`.
    pub status: &'static str,
    /// Out of which queue it moves.
    pub source_arn: String,
    /// Where to, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_arn: Option<String>,
    /// How many messages a second, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_number_of_messages_per_second: Option<u32>,
    /// How many messages it moved.
    pub approximate_number_of_messages_moved: usize,
    /// How many messages there were to move when it started.
    pub approximate_number_of_messages_to_move: usize,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<&'static str>,
    /// When it was started, in milliseconds since the epoch.
    pub started_timestamp: Millis,
}

impl Operation for ListMessageMoveTasks {
    const NAME: &'static str = "ListMessageMoveTasks";
    type Output = ListMessageMoveTasksOutput;

    fn queue(&self) -> Option<&str> {
        self.source_arn.rsplit(':').next()
    }

    fn needs(&self) -> Vec<Need<'_>> {
        Need::of_moving(Self::NAME, self.queue())
    }

    async fn run(self, sqs: &Sqs) -> Result<ListMessageMoveTasksOutput, Error> {
        let max = self.max_results.unwrap_or(1);
        if !(1..=MOVE_TASKS_MAX).contains(&max) {
            return Err(Error::invalid_value(
                max,
                "MaxResults",
                "Must be between 1 and 10, if provided.",
            ));
        }
        let tasks = sqs.moves(&self.source_arn)?;
        let results = tasks
            .into_iter()
            .take(usize::try_from(max).unwrap_or(1))
            .map(|(handle, task)| self.describe(handle, task))
            .collect();
        Ok(ListMessageMoveTasksOutput { results })
    }
}

impl ListMessageMoveTasks {
    fn describe(&self, handle: String, task: MoveTask) -> ListedMoveTask {
        ListedMoveTask {
            task_handle: (task.status == MoveStatus::Running).then_some(handle),
            status: match task.status {
                MoveStatus::Running => "RUNNING",
                MoveStatus::Completed => "COMPLETED",
                MoveStatus::Cancelling => "CANCELLING",
                MoveStatus::Cancelled => "CANCELLED",
                MoveStatus::Failed => "FAILED",
            },
            source_arn: self.source_arn.clone(),
            destination_arn: task.destination.map(|arn| arn.to_string()),
            max_number_of_messages_per_second: task.rate,
            approximate_number_of_messages_moved: task.moved,
            approximate_number_of_messages_to_move: task.to_move,
            failure_reason: task.failure,
            started_timestamp: task.started,
        }
    }
}
