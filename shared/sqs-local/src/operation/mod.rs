//! The operations of SQS: for each a request and a response as they travel, and what it does.

mod batch;
mod cancel_message_move_task;
mod change_message_visibility;
mod create_queue;
mod delete_message;
mod delete_queue;
mod get_queue_attributes;
mod get_queue_url;
mod list;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod purge_queue;
mod receive_message;
mod received;
mod send_message;
mod set_queue_attributes;
mod start_message_move_task;
mod system_attribute;
mod tag_queue;
mod untag_queue;

use std::borrow::Cow;
use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::batch::{BatchFailure, BatchOutcome};
pub use self::cancel_message_move_task::{CancelMessageMoveTask, CancelMessageMoveTaskOutput};
pub use self::change_message_visibility::{
    ChangeMessageVisibility, ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry,
};
pub use self::create_queue::{CreateQueue, QueueUrl};
pub use self::delete_message::{
    BatchSuccess, DeleteMessage, DeleteMessageBatch, DeleteMessageBatchEntry,
};
pub use self::delete_queue::DeleteQueue;
pub use self::get_queue_attributes::{GetQueueAttributes, GetQueueAttributesOutput};
pub use self::get_queue_url::GetQueueUrl;
pub use self::list_dead_letter_source_queues::{
    ListDeadLetterSourceQueues, ListDeadLetterSourceQueuesOutput,
};
pub use self::list_message_move_tasks::{
    ListMessageMoveTasks, ListMessageMoveTasksOutput, ListedMoveTask,
};
pub use self::list_queue_tags::{ListQueueTags, ListQueueTagsOutput};
pub use self::list_queues::{ListQueues, ListQueuesOutput};
pub use self::purge_queue::PurgeQueue;
pub use self::receive_message::{ReceiveMessage, ReceiveMessageOutput};
pub use self::received::{ReceivedMessage, SystemAttributes};
pub use self::send_message::{
    SendMessage, SendMessageBatch, SendMessageBatchEntry, SendMessageBatchSuccess,
    SendMessageOutput,
};
pub use self::set_queue_attributes::SetQueueAttributes;
pub use self::start_message_move_task::{StartMessageMoveTask, StartMessageMoveTaskOutput};
pub use self::system_attribute::SystemAttribute;
pub use self::tag_queue::TagQueue;
pub use self::untag_queue::UntagQueue;
use crate::account::Sqs;
use crate::error::Error;

/// An operation of SQS; its fields are the request's, its output the response.
pub trait Operation: DeserializeOwned + Send + 'static {
    /// The name of the operation.
    const NAME: &'static str;
    /// What it answers.
    type Output: Serialize + Send;

    /// Names the queue it is about, by its URL or its name, if it is about one.
    fn queue(&self) -> Option<&str>;

    /// Names what its caller must be allowed: this, and for a batch what its single call needs.
    fn needs(&self) -> Vec<Need<'_>> {
        let action = Self::NAME.strip_suffix("Batch").unwrap_or(Self::NAME);
        vec![Need::new(action, self.queue())]
    }

    /// Returns how many entries it has, if it is a batch.
    fn entries(&self) -> usize {
        0
    }

    /// Carries it out.
    fn run(self, sqs: &Sqs) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// A permission that an operation needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need<'a> {
    /// The action, such as `SendMessage`.
    pub(crate) action: &'static str,
    /// The queue, by its URL, name or ARN, if it is about one.
    pub(crate) queue: Option<Cow<'a, str>>,
}

impl<'a> Need<'a> {
    pub(crate) fn new(action: &'static str, queue: Option<impl Into<Cow<'a, str>>>) -> Self {
        Self {
            action,
            queue: queue.map(Into::into),
        }
    }

    /// Names what a call about move tasks needs of the queue that they empty.
    ///
    /// Source: SQS developer guide, "Amazon SQS API permissions".
    pub(crate) fn of_moving(action: &'static str, source: Option<&str>) -> Vec<Need<'static>> {
        [
            action,
            "ReceiveMessage",
            "DeleteMessage",
            "GetQueueAttributes",
        ]
        .map(|action| Need::new(action, source.map(str::to_owned)))
        .into()
    }
}

/// The answer of an operation that has nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Done {}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident($operation:ident) -> $output:ty;)*) => {
        impl Sqs {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the operation answers.
                pub async fn $method(&self, request: $operation) -> Result<$output, Error> {
                    self.call(request).await
                }
            )*
        }
    };
}

methods! {
    /// Makes a queue, or finds it if it is there with the same attributes.
    create_queue(CreateQueue) -> QueueUrl;
    /// Deletes a queue with everything in it; its name is blocked for 60 seconds.
    delete_queue(DeleteQueue) -> Done;
    /// Finds the URL of a queue.
    get_queue_url(GetQueueUrl) -> QueueUrl;
    /// Lists queues, in pages if asked to.
    list_queues(ListQueues) -> ListQueuesOutput;
    /// Lists the queues that have this one as their dead-letter queue.
    list_dead_letter_source_queues(ListDeadLetterSourceQueues) -> ListDeadLetterSourceQueuesOutput;
    /// Returns attributes of a queue.
    get_queue_attributes(GetQueueAttributes) -> GetQueueAttributesOutput;
    /// Sets attributes of a queue.
    set_queue_attributes(SetQueueAttributes) -> Done;
    /// Adds tags to a queue.
    tag_queue(TagQueue) -> Done;
    /// Removes tags of a queue.
    untag_queue(UntagQueue) -> Done;
    /// Returns the tags of a queue.
    list_queue_tags(ListQueueTags) -> ListQueueTagsOutput;
    /// Starts to move the messages of a dead-letter queue back or elsewhere.
    start_message_move_task(StartMessageMoveTask) -> StartMessageMoveTaskOutput;
    /// Lists the latest move tasks of a queue.
    list_message_move_tasks(ListMessageMoveTasks) -> ListMessageMoveTasksOutput;
    /// Ends a move task before its next message.
    cancel_message_move_task(CancelMessageMoveTask) -> CancelMessageMoveTaskOutput;
    /// Removes every message of a queue, once in 60 seconds.
    purge_queue(PurgeQueue) -> Done;
    /// Sends a message.
    send_message(SendMessage) -> SendMessageOutput;
    /// Sends up to ten messages, each of which succeeds or fails alone.
    send_message_batch(SendMessageBatch) -> BatchOutcome<SendMessageBatchSuccess>;
    /// Receives up to ten messages, and waits for the first of them if asked to.
    ///
    /// # Cancellation
    /// A receive that waits goes on when its future is dropped, as it does in SQS, unless the
    /// settings say otherwise: see [`AbandonedReceives`](crate::AbandonedReceives).
    receive_message(ReceiveMessage) -> ReceiveMessageOutput;
    /// Deletes a message; with a receipt that is not the newest it may succeed and delete nothing.
    delete_message(DeleteMessage) -> Done;
    /// Deletes up to ten messages, each of which succeeds or fails alone.
    delete_message_batch(DeleteMessageBatch) -> BatchOutcome<BatchSuccess>;
    /// Sets how long, from now, a message stays invisible.
    change_message_visibility(ChangeMessageVisibility) -> Done;
    /// Sets how long up to ten messages stay invisible, each of which succeeds or fails alone.
    change_message_visibility_batch(ChangeMessageVisibilityBatch) -> BatchOutcome<BatchSuccess>;
}
