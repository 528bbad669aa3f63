//! What an operation answers when it does not do what it was asked.

use std::borrow::Cow;

/// An error as SQS reports it: a kind, which clients match on, and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.code())]
pub struct Error {
    /// Which error it is.
    pub kind: ErrorKind,
    /// The text for people; nothing should depend on it.
    pub message: Cow<'static, str>,
}

impl Error {
    /// Makes an error of a kind with its text.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!("The request must contain the parameter {parameter}.");
        Self::new(ErrorKind::MissingParameter, message)
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidParameterValue, message)
    }

    pub(crate) fn invalid_value(
        value: impl std::fmt::Display,
        parameter: &str,
        reason: &str,
    ) -> Self {
        Self::invalid(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: {reason}"
        ))
    }

    pub(crate) fn no_such_queue() -> Self {
        Self::new(
            ErrorKind::QueueDoesNotExist,
            "The specified queue does not exist.",
        )
    }
}

/// How an error travels: its names in both protocols and its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wire {
    /// The `__type` of AWS JSON, with its namespace.
    pub(crate) shape: &'static str,
    /// The code of the older query protocol, which `x-amzn-query-error` repeats.
    pub(crate) query_code: &'static str,
    pub(crate) status: u16,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $shape:literal, $query:literal, $status:literal;)*) => {
        /// The kinds of error this server knows; some come from a [fault plan](crate::FaultPlan) alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// Every kind, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            pub(crate) const fn wire(self) -> Wire {
                match self {
                    $(Self::$kind => Wire { shape: $shape, query_code: $query, status: $status },)*
                }
            }
        }
    };
}

kinds! {
    /// Two entries of a batch have the same id.
    BatchEntryIdsNotDistinct = "com.amazonaws.sqs#BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400;
    /// The messages of a batch are larger than 1 MiB together.
    BatchRequestTooLong = "com.amazonaws.sqs#BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400;
    /// A batch has no entry.
    EmptyBatchRequest = "com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400;
    /// The queue URL is none.
    InvalidAddress = "com.amazonaws.sqs#InvalidAddress", "InvalidAddress", 404;
    /// An attribute that does not exist.
    InvalidAttributeName = "com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", 400;
    /// A value its attribute cannot take.
    InvalidAttributeValue = "com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", 400;
    /// The id of a batch entry breaks the rules.
    InvalidBatchEntryId = "com.amazonaws.sqs#InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400;
    /// A body with characters that SQS refuses.
    InvalidMessageContents = "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", 400;
    /// The visibility of a message was to change that is not in flight.
    MessageNotInflight = "com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400;
    /// Too many messages in flight for a short poll.
    OverLimit = "com.amazonaws.sqs#OverLimit", "OverLimit", 403;
    /// A purge less than 60 seconds after another.
    PurgeQueueInProgress = "com.amazonaws.sqs#PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403;
    /// The name belonged to a queue deleted less than 60 seconds ago.
    QueueDeletedRecently = "com.amazonaws.sqs#QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400;
    /// There is no such queue.
    QueueDoesNotExist = "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400;
    /// The queue exists with other attributes.
    QueueNameExists = "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400;
    /// The receipt handle is none, or another queue's.
    ReceiptHandleIsInvalid = "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404;
    /// The queue's request rate is exceeded.
    RequestThrottled = "com.amazonaws.sqs#RequestThrottled", "RequestThrottled", 403;
    /// The queue or the move task that was named does not exist.
    ResourceNotFound = "com.amazonaws.sqs#ResourceNotFoundException", "ResourceNotFoundException", 404;
    /// A batch has more than ten entries.
    TooManyEntriesInBatchRequest = "com.amazonaws.sqs#TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400;
    /// The operation exists in SQS, but not here or not for this queue.
    UnsupportedOperation = "com.amazonaws.sqs#UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400;
    /// The key service throttled.
    KmsThrottled = "com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException", 400;
    /// The caller may not do this.
    AccessDenied = "com.amazon.coral.service#AccessDeniedException", "AccessDenied", 403;
    /// There is no such access key.
    UnrecognizedClient = "com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", 403;
    /// The request does not say who sends it.
    MissingAuthenticationToken = "com.amazon.coral.service#MissingAuthenticationTokenException", "MissingAuthenticationToken", 403;
    /// The credentials were good until a while ago.
    ExpiredToken = "com.amazon.coral.service#ExpiredTokenException", "ExpiredToken", 403;
    /// The signature is too old, or from the future.
    InvalidSignature = "com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", 403;
    /// A parameter has a value it cannot take.
    InvalidParameterValue = "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400;
    /// A parameter is missing.
    MissingParameter = "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400;
    /// The request's body is not what the operation takes.
    Serialization = "com.amazon.coral.service#SerializationException", "SerializationException", 400;
    /// The request's body is too large to be read.
    RequestTooLarge = "com.amazon.coral.service#RequestEntityTooLargeException", "RequestEntityTooLarge", 413;
    /// The account's request rate is exceeded.
    Throttling = "com.amazon.coral.availability#ThrottlingException", "ThrottlingException", 400;
    /// No operation has that name.
    UnknownOperation = "com.amazon.coral.service#UnknownOperationException", "UnknownOperationException", 400;
    /// The request is not AWS JSON 1.0.
    UnsupportedMediaType = "com.amazon.coral.service#UnsupportedMediaTypeException", "UnsupportedMediaType", 415;
    /// The service failed.
    Internal = "com.amazon.coral.service#InternalFailure", "InternalError", 500;
    /// The service is not there.
    ServiceUnavailable = "com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable", 503;
}

impl ErrorKind {
    /// Returns the name that modelled SDKs show, such as `QueueDoesNotExist`.
    pub fn code(self) -> &'static str {
        let shape = self.wire().shape;
        shape.rsplit_once('#').map_or(shape, |(_, name)| name)
    }

    /// Returns the name of the older query protocol, such as
    /// `AWS.SimpleQueueService.NonExistentQueue`, which entries of batches carry as well.
    pub fn query_code(self) -> &'static str {
        self.wire().query_code
    }

    /// Returns the HTTP status.
    pub fn status(self) -> u16 {
        self.wire().status
    }

    /// Tells whether the sender is at fault, so that repeating the request is of no use.
    pub fn is_sender_fault(self) -> bool {
        self.status() < 500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_names_and_a_status_of_failure() {
        for kind in ErrorKind::ALL {
            assert!(
                !kind.code().is_empty() && !kind.code().contains('#'),
                "{kind:?}"
            );
            assert!(!kind.query_code().is_empty(), "{kind:?}");
            assert!((400..600).contains(&kind.status()), "{kind:?}");
        }
    }

    #[test]
    fn an_error_reads_as_code_and_message() {
        let error = Error::no_such_queue();
        assert_eq!(
            error.to_string(),
            "QueueDoesNotExist: The specified queue does not exist."
        );
        assert_eq!(
            error.kind.query_code(),
            "AWS.SimpleQueueService.NonExistentQueue"
        );
    }
}
