use super::copy::mark;
use super::letter::Death;
use crate::message::{Failure, Message, Outgoing};

/// Where a dead letter goes when it is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A queue that the fleet consumes: the failure goes along, and with it the event's key, the
    /// history, and what it displaced.
    Fleet,
    /// Anybody else's queue, which gets what was sent in the first place and nothing more.
    Foreign,
}

/// A dead letter on its way back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What is sent.
    pub message: Outgoing,
    /// Whether the history and the event's key go along.
    ///
    /// They do not to a foreign queue, nor where SQS's limit leaves no room. An event whose key
    /// stands in its own envelope keeps it all the same.
    pub carries_failure: bool,
}

/// Makes of a dead-letter copy the message that it was: body byte by byte, all attributes, the
/// group and the trace.
///
/// On a FIFO queue it has a deduplication id of its own, made of the replay's: with that of the
/// event, or of an earlier replay, SQS would swallow it within five minutes.
pub fn restore(
    copy: &Message,
    death: &Death,
    replay: &str,
    to: Destination,
    fifo: bool,
) -> Restored {
    let marked = match to {
        Destination::Fleet => mark(copy, &replayed(copy, death)),
        Destination::Foreign => None,
    };
    let carries_failure = marked.is_some();
    let message = Outgoing {
        body: copy.body.clone(),
        // Those of the copy were unfolded when it was received.
        attributes: marked.unwrap_or_else(|| copy.attributes.clone()),
        group_id: copy.group_id.clone(),
        deduplication_id: fifo.then(|| format!("rp:{replay}:{}", copy.id)),
        trace_header: copy.trace_header.clone(),
        delay: None,
    };
    Restored {
        message,
        carries_failure,
    }
}

/// Makes the failure that goes along: that of the copy, or what is known of one that SQS moved.
///
/// Without it, bare JSON that names no id would be another event each time that it is sent.
pub(super) fn replayed(copy: &Message, death: &Death) -> Failure {
    let replay_no = death.replay_no.saturating_add(1);
    if let Some(failure) = copy.failure.as_deref() {
        return Failure {
            replay_no,
            ..failure.clone()
        };
    }
    Failure {
        class: death.class,
        reason: death.reason.clone(),
        detail: None,
        consumer: death.consumer.clone().unwrap_or_default(),
        queue: death.queue.clone(),
        version: None,
        event_type: death.event_type.clone(),
        key: death.key.clone(),
        message_id: death.id.clone(),
        attempts: 0,
        receives: death.receives,
        first_sent_at: death.first_sent_at,
        failed_at: death.at(),
        replay_no,
        edited: None,
        history: Vec::new(),
        displaced: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::dead_letter::{self, Origin};
    use crate::message::{
        AttributeValue, Attributes, BODY_BYTES_MAX, EventKey, FAILURE_ATTRIBUTE, FailureClass,
        MessageId, Receipt,
    };

    fn death(copy: &Message) -> Death {
        let origin = Origin {
            consumer: Some("billing".to_owned()),
            queue: "billing".to_owned(),
        };
        Death::of(copy, &origin)
    }

    /// What a receive makes of a message that was sent.
    fn received(sent: &Outgoing) -> Message {
        let mut attributes = sent.attributes.clone();
        let failure = Failure::unfold(&mut attributes).map(Box::new);
        Message {
            id: MessageId("m-1".to_owned()),
            receipt: Receipt("r".to_owned()),
            body: sent.body.clone(),
            attributes,
            receive_count: 1,
            sent_at: Timestamp::UNIX_EPOCH,
            group_id: sent.group_id.clone(),
            trace_header: sent.trace_header.clone(),
            failure,
        }
    }

    fn failure(of: &Message) -> Failure {
        let before = of.failure.as_deref();
        Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: None,
            consumer: "billing".to_owned(),
            queue: "billing".to_owned(),
            version: None,
            event_type: None,
            key: EventKey::new("billing", "first"),
            message_id: of.id.0.clone(),
            attempts: 1,
            receives: of.receive_count,
            first_sent_at: Timestamp::UNIX_EPOCH,
            failed_at: Timestamp::UNIX_EPOCH,
            replay_no: before.map_or(0, |before| before.replay_no),
            edited: None,
            history: before.map(Failure::as_past).into_iter().collect(),
            displaced: Vec::new(),
        }
    }

    /// Dies and is received from the dead-letter queue.
    fn dead(message: &Message) -> Message {
        received(&dead_letter::copy(message, &failure(message), true).message)
    }

    fn attribute() -> impl Strategy<Value = AttributeValue> {
        prop_oneof![
            "[ -\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{1,40}"
                .prop_map(AttributeValue::string),
            proptest::collection::vec(any::<u8>(), 1..40)
                .prop_map(|bytes| AttributeValue::binary("Binary.png", bytes)),
        ]
    }

    proptest! {
        #[test]
        fn what_dies_and_is_replayed_again_and_again_stays_what_it_was(
            body in ".{1,200}",
            attributes in proptest::collection::btree_map(
                prop_oneof![
                    Just(FAILURE_ATTRIBUTE.to_owned()),
                    "[a-z]{1,9}".prop_map(String::from),
                ],
                attribute(), 0..=10),
            replays in 1u32..4,
        ) {
            let sent = Outgoing {
                body,
                attributes: attributes.into_iter().collect(),
                group_id: Some("g".to_owned()),
                trace_header: Some("Root=1".to_owned()),
                ..Outgoing::default()
            };
            let mut message = received(&sent);
            for replay in 1..=replays {
                let copy = dead(&message);
                let foreign = restore(&copy, &death(&copy), "p", Destination::Foreign, false).message;
                prop_assert_eq!(&foreign.body, &sent.body);
                prop_assert_eq!(&foreign.attributes, &sent.attributes);
                prop_assert_eq!(&foreign.group_id, &sent.group_id);
                prop_assert_eq!(&foreign.trace_header, &sent.trace_header);

                let restored = restore(
                    &copy, &death(&copy), &replay.to_string(), Destination::Fleet, true);
                prop_assert!(restored.carries_failure);
                prop_assert_eq!(
                    restored.message.deduplication_id.clone(),
                    Some(format!("rp:{replay}:m-1"))
                );
                message = received(&restored.message);
                prop_assert_eq!(&message.body, &sent.body);
                prop_assert_eq!(&message.attributes, &sent.attributes);
                let failure = message.failure.as_deref().expect("it goes along");
                prop_assert_eq!(failure.replay_no, replay);
                prop_assert_eq!(&failure.key.id, "first");
            }
        }
    }

    #[test]
    fn a_full_message_is_restored_without_a_word() {
        let attributes: Attributes = (0..10)
            .map(|n| (format!("a{n}"), AttributeValue::string("v")))
            .collect();
        let body = "x".repeat(BODY_BYTES_MAX - attributes.size_bytes());
        let sent = Outgoing {
            attributes,
            ..Outgoing::new(body)
        };
        let copy = dead(&received(&sent));
        let restored = restore(&copy, &death(&copy), "p", Destination::Fleet, false);
        assert!(!restored.carries_failure);
        assert_eq!(restored.message.body, sent.body);
        assert_eq!(restored.message.attributes, sent.attributes);
    }

    #[test]
    fn what_sqs_moved_by_itself_stays_the_same_event_each_time_it_is_replayed() {
        let mut moved = received(&Outgoing::new(r#"{"order":1}"#));
        for replay_no in 1..4 {
            let restored = restore(&moved, &death(&moved), "p", Destination::Fleet, false);
            assert!(restored.carries_failure);
            moved = Message {
                id: MessageId(format!("sent-{replay_no}")),
                ..received(&restored.message)
            };
            let known = death(&moved);
            assert_eq!(known.key, EventKey::new("billing", "m-1"));
            assert_eq!(known.class, FailureClass::ReceivesExhausted);
            assert_eq!(known.replay_no, replay_no);
            assert_eq!(moved.body, r#"{"order":1}"#);
        }
    }
}
