use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::encrypted::InTheClear;

/// The codes with which SQS names who may not do what to which key or queue, and nothing else. With
/// others it repeats parts of the request: its bodies and attributes, or, where the signature does
/// not match, its headers with the session token.
///
/// Source: SQS API reference, "Common Errors"; IAM user guide, "Troubleshoot Signature Version 4".
const NAMING: [&str; 2] = ["AccessDenied", "Kms"];

/// Returns what SQS or the SDK said, without what they repeat of the request.
pub(super) fn without_request<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => answered(error, service.raw().status().as_u16()),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => chain(error),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            chain(error)
        }
        _ if has_cause::<CredentialsError>(error) || has_cause::<InTheClear>(error) => chain(error),
        // What cannot be sent is quoted as a whole.
        _ => error.to_string(),
    }
}

/// Tells whether an error of this type is among the causes.
pub(super) fn has_cause<C: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<C>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn answered<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, status: u16) -> String {
    let code = error.code().unwrap_or_default();
    let short = code.rsplit(['.', '#']).next().unwrap_or(code);
    let is_naming = NAMING.iter().any(|naming| short.starts_with(naming));
    let request = error.request_id().unwrap_or("without an id");
    match error.message().filter(|_| is_naming) {
        Some(message) => format!("{message} (HTTP {status}, request {request})"),
        None => format!("HTTP {status}, request {request}"),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
