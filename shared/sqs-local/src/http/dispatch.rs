//! From the name of an operation and bytes to bytes.

use crate::account::Sqs;
use crate::error::{Error, ErrorKind};
use crate::object::Object;
use crate::operation::{
    ChangeMessageVisibility, ChangeMessageVisibilityBatch, CreateQueue, DeleteMessage,
    DeleteMessageBatch, DeleteQueue, GetQueueAttributes, GetQueueUrl, ListDeadLetterSourceQueues,
    ListQueues, Operation, PurgeQueue, ReceiveMessage, SendMessage, SendMessageBatch,
    SetQueueAttributes,
};

/// What stands before the operation's name in the header `X-Amz-Target`.
const SERVICE: &str = "AmazonSQS";

/// What an answer may need before its buffer grows: ten messages of a few hundred bytes.
const ANSWER_BYTES: usize = 8 * 1024;

/// Operations that SQS has and this server has not.
const UNSUPPORTED: [&str; 8] = [
    "AddPermission",
    "RemovePermission",
    "TagQueue",
    "UntagQueue",
    "ListQueueTags",
    "StartMessageMoveTask",
    "CancelMessageMoveTask",
    "ListMessageMoveTasks",
];

/// Carries out the operation that a target names.
pub(super) async fn dispatch(sqs: &Sqs, target: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let name = target
        .split_once('.')
        .filter(|(service, _)| *service == SERVICE);
    let (_, name) = name.ok_or_else(|| unknown(target))?;
    match name {
        ReceiveMessage::NAME => answer::<ReceiveMessage>(sqs, body).await,
        DeleteMessage::NAME => answer::<DeleteMessage>(sqs, body).await,
        DeleteMessageBatch::NAME => answer::<DeleteMessageBatch>(sqs, body).await,
        SendMessage::NAME => answer::<SendMessage>(sqs, body).await,
        SendMessageBatch::NAME => answer::<SendMessageBatch>(sqs, body).await,
        ChangeMessageVisibility::NAME => answer::<ChangeMessageVisibility>(sqs, body).await,
        ChangeMessageVisibilityBatch::NAME => {
            answer::<ChangeMessageVisibilityBatch>(sqs, body).await
        }
        CreateQueue::NAME => answer::<CreateQueue>(sqs, body).await,
        DeleteQueue::NAME => answer::<DeleteQueue>(sqs, body).await,
        GetQueueUrl::NAME => answer::<GetQueueUrl>(sqs, body).await,
        ListQueues::NAME => answer::<ListQueues>(sqs, body).await,
        ListDeadLetterSourceQueues::NAME => answer::<ListDeadLetterSourceQueues>(sqs, body).await,
        GetQueueAttributes::NAME => answer::<GetQueueAttributes>(sqs, body).await,
        SetQueueAttributes::NAME => answer::<SetQueueAttributes>(sqs, body).await,
        PurgeQueue::NAME => answer::<PurgeQueue>(sqs, body).await,
        name if UNSUPPORTED.contains(&name) => Err(Error::new(
            ErrorKind::UnsupportedOperation,
            format!("{name} is not supported by this server."),
        )),
        _ => Err(unknown(target)),
    }
}

async fn answer<O: Operation>(sqs: &Sqs, body: &[u8]) -> Result<Vec<u8>, Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    let Object(request) = serde_json::from_slice::<Object<O>>(body)
        .map_err(|error| Error::new(ErrorKind::Serialization, error.to_string()))?;
    let output = sqs.call(request).await?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    serde_json::to_writer(&mut answer, &output)
        .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    Ok(answer)
}

fn unknown(target: &str) -> Error {
    Error::new(
        ErrorKind::UnknownOperation,
        format!("Unknown operation: {target}"),
    )
}
