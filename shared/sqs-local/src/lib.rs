//! An SQS-compatible server in memory, stricter than SQS and never kinder.
//!
//! It has two faces. In process, [`Sqs`] takes the operations of SQS as structs and lives by
//! tokio's clock, so a test with a paused clock sees a visibility timeout of an hour end at
//! once. Over HTTP, [`http::Server`] speaks AWS JSON 1.0 to unmodified SDKs.
//!
//! The rooms, each using only those before it:
//!
//! | Module | What it holds |
//! |---|---|
//! | `limits`, `error`, `clock`, `span`, `object` | what everything else is measured by |
//! | `message` | what a message is made of |
//! | `queue` | one queue as a pure state machine; time is an argument |
//! | `fault` | what goes wrong on purpose: a plan as a pure state machine |
//! | `permission` | who may do what, if that is said |
//! | `history` | what happened: every call, if it is kept |
//! | `account` | the queues by name, their locks, and the receives that wait |
//! | `operation` | each operation: request, response, effect |
//! | `http` | the wire |
//!
//! # Examples
//! ```
//! use sqs_local::{CreateQueue, DeleteMessage, ReceiveMessage, SendMessage, Sqs};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sqs_local::Error> {
//! let sqs = Sqs::default();
//! let orders = CreateQueue { queue_name: "orders".into(), ..CreateQueue::default() };
//! let queue_url = sqs.create_queue(orders).await?.queue_url;
//!
//! let send = SendMessage {
//!     queue_url: queue_url.clone(),
//!     message_body: "one coffee".into(),
//!     ..SendMessage::default()
//! };
//! sqs.send_message(send).await?;
//!
//! let receive = ReceiveMessage {
//!     queue_url: queue_url.clone(),
//!     wait_time_seconds: Some(20),
//!     ..ReceiveMessage::default()
//! };
//! let message = sqs.receive_message(receive).await?.messages.remove(0);
//! assert_eq!(&*message.body, "one coffee");
//!
//! let receipt_handle = message.receipt_handle.to_string();
//! sqs.delete_message(DeleteMessage { queue_url, receipt_handle }).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod limits;

mod account;
mod clock;
mod error;
pub mod fault;
pub mod history;
pub mod http;
mod message;
mod object;
mod operation;
pub mod permission;
mod queue;
mod span;

pub use self::account::{AbandonedReceives, Caller, Settings, Sqs};
pub use self::clock::Clock;
pub use self::error::{Error, ErrorKind};
pub use self::fault::{FaultPlan, FaultPlanError};
pub use self::message::{Md5, MessageAttributeValue, MessageAttributes, MessageId};
pub use self::operation::{
    BatchFailure, BatchOutcome, BatchSuccess, CancelMessageMoveTask, CancelMessageMoveTaskOutput,
    ChangeMessageVisibility, ChangeMessageVisibilityBatch, ChangeMessageVisibilityBatchEntry,
    CreateQueue, DeleteMessage, DeleteMessageBatch, DeleteMessageBatchEntry, DeleteQueue, Done,
    GetQueueAttributes, GetQueueAttributesOutput, GetQueueUrl, ListDeadLetterSourceQueues,
    ListDeadLetterSourceQueuesOutput, ListMessageMoveTasks, ListMessageMoveTasksOutput,
    ListQueueTags, ListQueueTagsOutput, ListQueues, ListQueuesOutput, ListedMoveTask, Need,
    Operation, PurgeQueue, QueueUrl, ReceiveMessage, ReceiveMessageOutput, ReceivedMessage,
    SendMessage, SendMessageBatch, SendMessageBatchEntry, SendMessageBatchSuccess,
    SendMessageOutput, SetQueueAttributes, StartMessageMoveTask, StartMessageMoveTaskOutput,
    SystemAttribute, SystemAttributes, TagQueue, UntagQueue,
};
pub use self::permission::{Permissions, PermissionsError};
pub use self::queue::{QueueAttribute, QueueName, ReceiptHandle};
pub use self::span::parse_span;
