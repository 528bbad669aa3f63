use crate::message::{Attributes, BODY_BYTES_MAX, Failure, Message, Outgoing};

/// The copy of a message for its dead-letter queue.
#[derive(Clone, Debug)]
pub struct DeadLetterCopy {
    /// What is sent.
    pub message: Outgoing,
    /// Whether the copy itself says why it is dead.
    ///
    /// Where SQS's limit leaves no room, it goes without, and the failure must
    /// stand in the table `dead_letters` before the original is deleted.
    pub carries_failure: bool,
}

/// Makes the dead-letter copy of a message: body byte by byte, all attributes, and the failure.
///
/// The history is given up first, then the detail, then the failure as a whole;
/// never any of the message. On FIFO queues the copy has a deduplication id of its own: that of
/// the event would let SQS swallow a second death within five minutes.
pub fn copy(message: &Message, failure: &Failure, fifo: bool) -> DeadLetterCopy {
    let marked = mark(message, failure);
    let carries_failure = marked.is_some();
    let message = Outgoing {
        body: message.body.clone(),
        attributes: marked.unwrap_or_else(|| message.attributes.clone()),
        group_id: message.group_id.clone(),
        deduplication_id: fifo.then(|| format!("dl:{}", message.id)),
        trace_header: message.trace_header.clone(),
        delay: None,
    };
    DeadLetterCopy {
        message,
        carries_failure,
    }
}

/// Folds into the attributes of a message as much of a failure as SQS's limit leaves room for.
pub(super) fn mark(message: &Message, failure: &Failure) -> Option<Attributes> {
    let room = BODY_BYTES_MAX.saturating_sub(message.body.len());
    let mut shortened = failure.clone();
    let shortenings: [fn(&mut Failure); 3] = [
        |_| {},
        |failure| failure.history.clear(),
        |failure| failure.detail = None,
    ];
    shortenings.into_iter().find_map(|shorten| {
        shorten(&mut shortened);
        let attributes = shortened.clone().fold(message.attributes.clone());
        (attributes.size_bytes() <= room).then_some(attributes)
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::message::{
        AttributeValue, EventKey, FAILURE_ATTRIBUTE, FailureClass, MessageId, PastAttempt, Receipt,
    };

    fn message(body: String, attributes: usize) -> Message {
        Message {
            id: MessageId("m-1".to_owned()),
            receipt: Receipt("r".to_owned()),
            body,
            attributes: (0..attributes)
                .map(|n| (format!("a{n}"), AttributeValue::string(format!("v{n}"))))
                .collect::<Attributes>(),
            receive_count: 3,
            sent_at: Timestamp::UNIX_EPOCH,
            group_id: Some("g".to_owned()),
            trace_header: Some("Root=1".to_owned()),
            failure: None,
        }
    }

    fn failure() -> Failure {
        Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: Some("d".repeat(300)),
            consumer: "billing".to_owned(),
            queue: "billing".to_owned(),
            version: None,
            event_type: None,
            key: EventKey::new("billing", "m-1"),
            message_id: "m-1".to_owned(),
            attempts: 1,
            receives: 3,
            first_sent_at: Timestamp::UNIX_EPOCH,
            failed_at: Timestamp::UNIX_EPOCH,
            replay_no: 0,
            edited: None,
            history: vec![PastAttempt {
                receive: 1,
                outcome: "failed".to_owned(),
                reason: "h".repeat(500),
                at: Timestamp::UNIX_EPOCH,
            }],
            displaced: Vec::new(),
        }
    }

    #[test]
    fn a_copy_keeps_everything_and_says_why() {
        let original = message("b\u{0}dy".to_owned(), 10);
        let copied = copy(&original, &failure(), true);
        let mut attributes = copied.message.attributes.clone();
        assert!(copied.carries_failure);
        assert_eq!(copied.message.body, original.body);
        assert_eq!(copied.message.group_id, original.group_id);
        assert_eq!(copied.message.trace_header, original.trace_header);
        assert_eq!(copied.message.deduplication_id.as_deref(), Some("dl:m-1"));
        assert_eq!(
            Failure::unfold(&mut attributes).map(|f| f.reason),
            Some(failure().reason)
        );
        assert_eq!(attributes, original.attributes);
    }

    #[test]
    fn a_copy_that_would_not_fit_gives_up_the_failure_and_never_the_body() {
        let full = BODY_BYTES_MAX - message(String::new(), 10).size_bytes();
        let copied = copy(&message("x".repeat(full), 10), &failure(), false);
        assert!(!copied.carries_failure);
        assert_eq!(copied.message.size_bytes(), BODY_BYTES_MAX);
        assert!(copied.message.attributes.get(FAILURE_ATTRIBUTE).is_none());

        for (room, detail, history) in [(600, false, 0), (900, true, 0), (1_600, true, 1)] {
            let copied = copy(&message("x".repeat(full - room), 10), &failure(), false);
            assert!(copied.carries_failure, "{room}");
            assert!(copied.message.size_bytes() <= BODY_BYTES_MAX, "{room}");
            let mut attributes = copied.message.attributes;
            let carried = Failure::unfold(&mut attributes).unwrap();
            assert_eq!(carried.detail.is_some(), detail, "{room}");
            assert_eq!(carried.history.len(), history, "{room}");
        }
    }
}
