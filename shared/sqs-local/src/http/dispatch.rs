//! From the name of an operation and bytes to bytes.

use serde::Serialize;

use super::reply::Reply;
use super::signed::{check, shown};
use crate::account::Sqs;
use crate::error::{Error, ErrorKind};
use crate::fault::Face;
use crate::object::Object;
use crate::operation::{
    CancelMessageMoveTask, ChangeMessageVisibility, ChangeMessageVisibilityBatch, CreateQueue,
    DeleteMessage, DeleteMessageBatch, DeleteQueue, GetQueueAttributes, GetQueueUrl,
    ListDeadLetterSourceQueues, ListMessageMoveTasks, ListQueueTags, ListQueues, Operation,
    PurgeQueue, ReceiveMessage, SendMessage, SendMessageBatch, SetQueueAttributes,
    StartMessageMoveTask, TagQueue, UntagQueue,
};

/// What stands before the operation's name in the header `X-Amz-Target`.
const SERVICE: &str = "AmazonSQS";

/// What an answer may need before its buffer grows: ten messages of a few hundred bytes.
const ANSWER_BYTES: usize = 8 * 1024;

/// Operations that SQS has and this server has not.
const UNSUPPORTED: [&str; 2] = ["AddPermission", "RemovePermission"];

/// What a client asks for.
pub(super) struct Asked<'a> {
    /// The header that names the operation.
    pub(super) target: &'a str,
    /// When the request was signed, as it says.
    pub(super) signed_at: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// Carries out the operation that is asked for.
pub(super) async fn dispatch(sqs: &Sqs, asked: &Asked<'_>) -> Reply {
    let target = asked.target.split_once('.');
    let Some((_, name)) = target.filter(|(service, _)| *service == SERVICE) else {
        return unknown(asked.target).into();
    };
    match name {
        ReceiveMessage::NAME => answer::<ReceiveMessage>(sqs, asked).await,
        DeleteMessage::NAME => answer::<DeleteMessage>(sqs, asked).await,
        DeleteMessageBatch::NAME => answer::<DeleteMessageBatch>(sqs, asked).await,
        SendMessage::NAME => answer::<SendMessage>(sqs, asked).await,
        SendMessageBatch::NAME => answer::<SendMessageBatch>(sqs, asked).await,
        ChangeMessageVisibility::NAME => answer::<ChangeMessageVisibility>(sqs, asked).await,
        ChangeMessageVisibilityBatch::NAME => {
            answer::<ChangeMessageVisibilityBatch>(sqs, asked).await
        }
        CreateQueue::NAME => answer::<CreateQueue>(sqs, asked).await,
        DeleteQueue::NAME => answer::<DeleteQueue>(sqs, asked).await,
        GetQueueUrl::NAME => answer::<GetQueueUrl>(sqs, asked).await,
        ListQueues::NAME => answer::<ListQueues>(sqs, asked).await,
        ListDeadLetterSourceQueues::NAME => answer::<ListDeadLetterSourceQueues>(sqs, asked).await,
        GetQueueAttributes::NAME => answer::<GetQueueAttributes>(sqs, asked).await,
        SetQueueAttributes::NAME => answer::<SetQueueAttributes>(sqs, asked).await,
        PurgeQueue::NAME => answer::<PurgeQueue>(sqs, asked).await,
        TagQueue::NAME => answer::<TagQueue>(sqs, asked).await,
        UntagQueue::NAME => answer::<UntagQueue>(sqs, asked).await,
        ListQueueTags::NAME => answer::<ListQueueTags>(sqs, asked).await,
        StartMessageMoveTask::NAME => answer::<StartMessageMoveTask>(sqs, asked).await,
        CancelMessageMoveTask::NAME => answer::<CancelMessageMoveTask>(sqs, asked).await,
        ListMessageMoveTasks::NAME => answer::<ListMessageMoveTasks>(sqs, asked).await,
        name if UNSUPPORTED.contains(&name) => Error::new(
            ErrorKind::UnsupportedOperation,
            format!("{name} is not supported by this server."),
        )
        .into(),
        _ => unknown(asked.target).into(),
    }
}

async fn answer<O: Operation>(sqs: &Sqs, asked: &Asked<'_>) -> Reply {
    let request = match read::<O>(asked.body) {
        Ok(request) => request,
        Err(error) => return error.into(),
    };
    let Some(mut call) = sqs.begin(&request, Face::Wire) else {
        return match sqs.admit(&request) {
            Ok(()) => request.run(sqs).await.and_then(write).into(),
            Err(error) => error.into(),
        };
    };
    let shown = call.skew().and_then(|skew| shown(sqs.clock().now(), skew));
    let admitted = match (asked.signed_at, shown) {
        (Some(signed), Some(shown)) => check(signed, shown),
        _ => Ok(()),
    };
    let admitted = admitted.and_then(|()| sqs.admit(&request));
    let result = match admitted {
        Ok(()) => call.carry_out(request).await.and_then(write),
        Err(error) => call.end(Err(error)),
    };
    Reply {
        result,
        breakage: call.breakage(),
        shown,
    }
}

fn read<O: Operation>(body: &[u8]) -> Result<O, Error> {
    let body = if body.is_empty() { b"{}" } else { body };
    let Object(request) = serde_json::from_slice::<Object<O>>(body)
        .map_err(|error| Error::new(ErrorKind::Serialization, error.to_string()))?;
    Ok(request)
}

fn write(output: impl Serialize) -> Result<Vec<u8>, Error> {
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
