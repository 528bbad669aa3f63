use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::time::Instant;

use super::encrypted::InTheClear;
use super::said;
use crate::queue::{Entries, EntryError, QueueError, QueueErrorKind};
use crate::service::metrics::SqsMetrics;

/// A request that was sent. It is counted when this is dropped: SQS charges for one that nobody
/// waits for any longer as well.
struct Request<'a> {
    metrics: &'a SqsMetrics,
    operation: &'static str,
    result: &'static str,
    started: Instant,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.requested(self.operation, self.result, took);
    }
}

/// Waits for a call, counts it, and classifies its error, once and for all callers.
pub(super) async fn finish<T, E>(
    metrics: &SqsMetrics,
    operation: &'static str,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, QueueError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let mut request = Request {
        metrics,
        operation,
        result: "abandoned",
        started: Instant::now(),
    };
    let answer = call.await.map_err(|error| classify(operation, error));
    request.result = answer
        .as_ref()
        .map_or_else(|error| error.kind.as_str(), |_| "ok");
    answer
}

fn classify<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let kind = match &error {
        SdkError::ServiceError(service) => QueueErrorKind::of_code(
            code.as_deref().unwrap_or_default(),
            service.raw().status().as_u16(),
        ),
        _ if said::has_cause::<CredentialsError>(&error) => QueueErrorKind::Credentials,
        _ if said::has_cause::<InTheClear>(&error) => QueueErrorKind::Refused,
        SdkError::ConstructionFailure(_) => QueueErrorKind::Refused,
        _ => QueueErrorKind::Unreachable,
    };
    QueueError {
        operation,
        kind,
        code,
        source: Some(said::without_request(&error).into()),
    }
}

/// A request that could not even be put together.
pub(super) fn refused(
    operation: &'static str,
    error: aws_smithy_types::error::operation::BuildError,
) -> QueueError {
    QueueError {
        operation,
        kind: QueueErrorKind::Refused,
        code: None,
        source: Some(error.into()),
    }
}

/// Puts the answers of a batch into the order of its entries.
///
/// An entry that SQS did not mention counts as failed: silence is no confirmation.
pub(super) fn in_order<S, T>(
    count: usize,
    successful: impl Iterator<Item = (String, S)>,
    failed: Vec<BatchResultErrorEntry>,
    convert: impl Fn(S) -> T,
) -> Entries<T> {
    let mut entries: Entries<T> = Vec::with_capacity(count);
    entries.resize_with(count, || {
        Err(EntryError {
            code: "NotMentioned".to_owned(),
            sender_fault: false,
        })
    });
    let mut set = |id: &str, result| {
        if let Some(entry) = id
            .parse()
            .ok()
            .and_then(|index: usize| entries.get_mut(index))
        {
            *entry = result;
        }
    };
    for (id, success) in successful {
        set(&id, Ok(convert(success)));
    }
    for entry in failed {
        let error = EntryError {
            code: entry.code,
            sender_fault: entry.sender_fault,
        };
        set(&entry.id, Err(error));
    }
    entries
}
