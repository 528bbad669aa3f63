use std::error::Error;

/// A call to SQS that failed as a whole.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {kind}{}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
pub struct QueueError {
    /// The operation of the SQS API.
    pub operation: &'static str,
    /// What kind of failure it was, classified once.
    pub kind: QueueErrorKind,
    /// The error code that SQS gave, if it answered.
    pub code: Option<String>,
    /// What the transport or the SDK said.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of failed calls, by what the fleet does about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum QueueErrorKind {
    /// No answer in time, no connection, or an answer that broke off.
    #[error("SQS cannot be reached")]
    Unreachable,
    /// SQS or KMS asks to slow down, or too many messages are in flight.
    #[error("SQS throttles")]
    Throttled,
    /// There are no credentials, or SQS does not accept them.
    #[error("credentials are missing or refused")]
    Credentials,
    /// SQS answered with a failure of its own.
    #[error("SQS failed")]
    Server,
    /// The queue does not exist.
    #[error("the queue does not exist")]
    NoSuchQueue,
    /// SQS refused the request, or it was not sent; sending it again will not help.
    #[error("SQS refused the request")]
    Refused,
}

impl QueueErrorKind {
    /// Returns the name that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Credentials => "credentials",
            Self::Server => "server",
            Self::NoSuchQueue => "no_such_queue",
            Self::Refused => "refused",
        }
    }

    /// Tells whether the call may have done what it was asked, although nobody said so.
    pub fn leaves_effect_unknown(self) -> bool {
        matches!(self, Self::Unreachable | Self::Server)
    }

    /// Classifies an error code of the SQS API.
    ///
    /// Source: SQS API reference, "Common Errors" and the errors of each action.
    pub fn of_code(code: &str, status: u16) -> Self {
        match code.rsplit(['.', '#']).next().unwrap_or(code) {
            "OverLimit"
            | "RequestThrottled"
            | "Throttling"
            | "ThrottlingException"
            | "KmsThrottled"
            | "TooManyRequestsException" => Self::Throttled,
            "QueueDoesNotExist" | "NonExistentQueue" => Self::NoSuchQueue,
            "AccessDenied"
            | "AccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "InvalidSecurity"
            | "MissingAuthenticationToken"
            | "NotAuthorized"
            | "OptInRequired"
            | "RequestExpired"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
            | "InvalidAccessKeyId" => Self::Credentials,
            // No refusal has such a status: this is the answer of something else, or half of one.
            _ if status < 400 => Self::Unreachable,
            _ if status >= 500 => Self::Server,
            _ if status == 429 => Self::Throttled,
            _ if status == 401 || status == 403 => Self::Credentials,
            _ => Self::Refused,
        }
    }
}

/// One entry of a batch that failed while others may have gone well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry failed: {code}")]
pub struct EntryError {
    /// The error code, such as `ReceiptHandleIsInvalid`.
    pub code: String,
    /// Whether sending the entry again cannot help.
    pub sender_fault: bool,
}

impl EntryError {
    /// Tells whether the message is no longer ours: its lease ran out, or it is gone.
    pub fn is_lease_lost(&self) -> bool {
        matches!(
            self.code.rsplit('.').next(),
            Some("MessageNotInflight" | "ReceiptHandleIsInvalid" | "InvalidParameterValue")
        )
    }
}
