use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry;

use super::account::{ClientOptions, Sqs};
use super::call::finish;
use crate::queue::{Queue as _, QueueError, QueueErrorKind};

/// The most messages that a move task moves a second.
///
/// Source: SQS API reference, `StartMessageMoveTask`.
pub const MOVES_PER_SECOND_MAX: u32 = 500;

/// How far a move task of SQS's own is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveTask {
    /// By what it is cancelled, as long as it runs.
    pub handle: Option<String>,
    /// `RUNNING`, `COMPLETED`, `CANCELLING`, `CANCELLED` or `FAILED`.
    pub status: String,
    /// About how many messages it has moved.
    pub moved: u64,
    /// About how many there were when it was started.
    pub total: Option<u64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

impl MoveTask {
    /// Tells whether it still moves, or is about to stop.
    pub fn is_under_way(&self) -> bool {
        matches!(self.status.as_str(), "RUNNING" | "CANCELLING")
    }

    /// Tells whether it has moved everything.
    pub fn is_complete(&self) -> bool {
        self.status == "COMPLETED"
    }
}

impl Sqs {
    /// Lets SQS move everything from a dead-letter queue to another queue, at most so many
    /// messages a second, and returns by what that is cancelled.
    ///
    /// # Errors
    ///
    /// `Refused` when the first one is no dead-letter queue, or a task is under way; and the
    /// errors of every call.
    pub async fn start_move(
        &self,
        from_url: &str,
        to_url: &str,
        a_second: Option<u32>,
    ) -> Result<String, QueueError> {
        let call = self
            .client(ClientOptions::calling())
            .start_message_move_task()
            .source_arn(self.arn_of(from_url).await?)
            .destination_arn(self.arn_of(to_url).await?)
            .set_max_number_of_messages_per_second(
                a_second.and_then(|rate| i32::try_from(rate).ok()),
            );
        let answer = finish(&self.metrics, "StartMessageMoveTask", call.send()).await?;
        Ok(answer.task_handle.unwrap_or_default())
    }

    /// Returns how far the latest move task of a dead-letter queue is, if there ever was one.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn latest_move(&self, from_url: &str) -> Result<Option<MoveTask>, QueueError> {
        let call = self
            .client(ClientOptions::calling())
            .list_message_move_tasks()
            .source_arn(self.arn_of(from_url).await?)
            .max_results(1);
        let answer = finish(&self.metrics, "ListMessageMoveTasks", call.send()).await?;
        let latest = answer.results.unwrap_or_default().into_iter().next();
        Ok(latest.map(task_of))
    }

    /// Ends a move task, and returns about how many messages it has moved: these stay moved.
    ///
    /// # Errors
    ///
    /// `Refused` when it is over; and the errors of every call.
    pub async fn cancel_move(&self, handle: &str) -> Result<u64, QueueError> {
        let call = self
            .client(ClientOptions::calling())
            .cancel_message_move_task()
            .task_handle(handle);
        let answer = finish(&self.metrics, "CancelMessageMoveTask", call.send()).await?;
        Ok(count(answer.approximate_number_of_messages_moved))
    }

    /// Asks for the name by which move tasks know a queue.
    async fn arn_of(&self, url: &str) -> Result<String, QueueError> {
        let queue = self.queue(url, ClientOptions::calling());
        queue.attributes().await?.arn.ok_or_else(|| QueueError {
            operation: "GetQueueAttributes",
            kind: QueueErrorKind::Server,
            code: None,
            source: Some("the answer lacks the queue's ARN".into()),
        })
    }
}

fn task_of(entry: ListMessageMoveTasksResultEntry) -> MoveTask {
    MoveTask {
        handle: entry.task_handle,
        status: entry.status.unwrap_or_default(),
        moved: count(entry.approximate_number_of_messages_moved),
        total: entry.approximate_number_of_messages_to_move.map(count),
        failure: entry.failure_reason,
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
