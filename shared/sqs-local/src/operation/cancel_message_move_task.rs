//! `CancelMessageMoveTask`.

use serde::{Deserialize, Serialize};

use super::{Need, Operation};
use crate::account::{Sqs, source_of};
use crate::error::Error;

/// Ends a move task; what it moved stays moved.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CancelMessageMoveTask {
    /// Which task.
    pub task_handle: String,
}

/// How far the task was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelMessageMoveTaskOutput {
    /// How many messages it moved.
    pub approximate_number_of_messages_moved: usize,
}

impl Operation for CancelMessageMoveTask {
    const NAME: &'static str = "CancelMessageMoveTask";
    type Output = CancelMessageMoveTaskOutput;

    fn queue(&self) -> Option<&str> {
        None
    }

    fn needs(&self) -> Vec<Need<'_>> {
        Need::of_moving(Self::NAME, source_of(&self.task_handle).as_deref())
    }

    async fn run(self, sqs: &Sqs) -> Result<CancelMessageMoveTaskOutput, Error> {
        Ok(CancelMessageMoveTaskOutput {
            approximate_number_of_messages_moved: sqs.cancel_move(&self.task_handle)?,
        })
    }
}
