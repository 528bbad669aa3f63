use crate::message::BODY_BYTES_MAX;
use crate::queue::{EntryError, QueueError, QueueErrorKind};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// SQS has it.
    Sent,
    /// SQS can never take it; the reason is a stable phrase.
    Parked(String),
    /// It stays where it is, for a reason that passes; the error's code or kind.
    Waits(String),
}

/// Says why a message of this size is not even tried.
pub(super) fn of_size(bytes: usize) -> Option<Fate> {
    (bytes > BODY_BYTES_MAX)
        .then(|| Fate::Parked(format!("larger than SQS takes ({BODY_BYTES_MAX} bytes)")))
}

/// Judges one entry of a batch that SQS answered for.
pub(super) fn of_entry<T>(entry: &Result<T, EntryError>) -> Fate {
    match entry {
        Ok(_) => Fate::Sent,
        Err(error) if error.sender_fault && concerns_the_message(&error.code) => {
            Fate::Parked(refusal(&error.code))
        }
        Err(error) => Fate::Waits(error.code.clone()),
    }
}

/// Judges a request that failed as a whole.
pub(super) fn of_request(error: &QueueError, is_alone: bool) -> Fate {
    match (error.kind, &error.code) {
        (QueueErrorKind::Refused, Some(code)) if is_alone && concerns_the_message(code) => {
            Fate::Parked(refusal(code))
        }
        (kind, code) => Fate::Waits(code.clone().unwrap_or_else(|| kind.as_str().to_owned())),
    }
}

/// Tells whether a refusal is about what is in the message, and not about the
/// queue, its key or our rights: those mend, and then the message is welcome.
///
/// Source: SQS API reference, errors of `SendMessage` and `SendMessageBatch`.
fn concerns_the_message(code: &str) -> bool {
    let code = code.rsplit(['.', '#']).next().unwrap_or(code);
    matches!(
        code,
        "InvalidMessageContents"
            | "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "InvalidAttributeName"
            | "InvalidAttributeValue"
            | "MissingParameter"
            | "BatchRequestTooLong"
    )
}

fn refusal(code: &str) -> String {
    format!("SQS refuses it: {code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_message_itself_parks_it() {
        let check = |code: &str, sender_fault, parked| {
            let entry: Result<(), _> = Err(EntryError {
                code: code.to_owned(),
                sender_fault,
            });
            assert_eq!(
                matches!(of_entry(&entry), Fate::Parked(_)),
                parked,
                "{code}"
            );
        };
        check("InvalidMessageContents", true, true);
        check("AWS.SimpleQueueService.InvalidMessageContents", true, true);
        check("InvalidParameterValue", true, true);
        check("InvalidParameterValue", false, false);
        check("KmsDisabled", true, false);
        check("AWS.SimpleQueueService.NonExistentQueue", true, false);
        check("RequestThrottled", true, false);
        check("InternalError", false, false);
    }

    #[test]
    fn a_refused_request_parks_only_a_message_that_was_alone_in_it() {
        let error = |kind, code: &str| QueueError {
            operation: "SendMessageBatch",
            kind,
            code: Some(code.to_owned()),
            source: None,
        };
        let refused = error(QueueErrorKind::Refused, "InvalidMessageContents");
        assert!(matches!(of_request(&refused, true), Fate::Parked(_)));
        assert!(matches!(of_request(&refused, false), Fate::Waits(_)));
        let throttled = error(QueueErrorKind::Throttled, "OverLimit");
        assert_eq!(
            of_request(&throttled, true),
            Fate::Waits("OverLimit".to_owned())
        );
    }
}
