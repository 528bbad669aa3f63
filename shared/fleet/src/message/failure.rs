use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{ATTRIBUTES_MAX, AttributeValue, Attributes, FAILURE_ATTRIBUTE};
use super::key::{self, EventKey};
use super::legal;

/// Why a message was dead-lettered, as its copy carries it.
///
/// One attribute holds it as JSON. Where a message came with all ten
/// attributes, one of them is displaced and folded into it; [`Failure::unfold`]
/// puts it back before anybody looks at the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure ended it.
    pub class: FailureClass,
    /// A stable phrase an operator understands and can group by.
    pub reason: String,
    /// What is particular to this message; never its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The consumer that gave up on it.
    pub consumer: String,
    /// The queue it was received from.
    pub queue: String,
    /// The build that gave up on it; unknown of copies of builds that did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The event's type, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The event's key; for what could not be decoded, queue and MessageId.
    pub key: EventKey,
    /// The MessageId of the message that this is a copy of.
    pub message_id: String,
    /// Attempts charged to it.
    pub attempts: u32,
    /// How often SQS had handed it out.
    pub receives: u32,
    /// When the event was first sent to a queue.
    pub first_sent_at: Timestamp,
    /// When it was dead-lettered.
    pub failed_at: Timestamp,
    /// How often the event was replayed from a dead-letter queue before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replay_no: u32,
    /// Who last edited its data by hand, and when, if anybody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Edit>,
    /// What went wrong before, the oldest first: earlier attempts, and earlier deaths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastAttempt>,
    /// Attributes of the original that found no slot beside this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<Displaced>,
}

/// One receive that did not end well, as a dead letter remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// SQS's receive count at this receive.
    pub receive: u32,
    /// How it ended, by the name that the attempts ledger uses; or the class of a death.
    pub outcome: String,
    /// A stable phrase.
    pub reason: String,
    /// When it ended.
    pub at: Timestamp,
}

/// A change of an event's data by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Who made it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What ended a message's life as a job; a bounded set, fit for a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The handler said that no retry can help.
    Permanent,
    /// Every attempt it had was used up.
    AttemptsExhausted,
    /// It is no event, or its data does not fit the type.
    Undecodable,
    /// No handler learnt its type within the grace.
    UnknownType,
    /// Its handler was started as often as it has attempts, and no process survived the last.
    CrashSuspect,
    /// SQS moved it, at the queue's `maxReceiveCount`: nobody said why.
    ReceivesExhausted,
}

/// An attribute that gave its slot to the failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    name: String,
    data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [Self; 6] = [
        Self::Permanent,
        Self::AttemptsExhausted,
        Self::Undecodable,
        Self::UnknownType,
        Self::CrashSuspect,
        Self::ReceivesExhausted,
    ];

    /// Returns the name that metrics, tables and the attribute use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::Undecodable => "undecodable",
            Self::UnknownType => "unknown_type",
            Self::CrashSuspect => "crash_suspect",
            Self::ReceivesExhausted => "receives_exhausted",
        }
    }
}

impl Failure {
    /// Returns this death as an entry in the history of the next.
    pub fn as_past(&self) -> PastAttempt {
        PastAttempt {
            receive: self.receives,
            outcome: self.class.as_str().to_owned(),
            reason: self.reason.clone(),
            at: self.failed_at,
        }
    }

    /// Adds the failure to the attributes of a copy, displacing what finds no slot, and whatever
    /// else has its name.
    pub fn fold(mut self, mut attributes: Attributes) -> Attributes {
        self.displaced.clear();
        if let Some(namesake) = attributes.remove(FAILURE_ATTRIBUTE) {
            let name = FAILURE_ATTRIBUTE.to_owned();
            self.displaced.push(Displaced::new(name, &namesake));
        }
        while attributes.len() >= ATTRIBUTES_MAX {
            let largest = attributes
                .iter()
                .max_by_key(|(_, value)| value.size_bytes());
            let Some(name) = largest.map(|(name, _)| name.to_owned()) else {
                break;
            };
            if let Some(value) = attributes.remove(&name) {
                self.displaced.push(Displaced::new(name, &value));
            }
        }
        let json = serde_json::to_string(&self).expect("a failure has string keys only");
        attributes.set(
            FAILURE_ATTRIBUTE,
            AttributeValue::string(legal::escape(json)),
        );
        attributes
    }

    /// Takes the failure out of the attributes of a copy and puts back what it displaced.
    ///
    /// A failure that somebody else wrote, or broke, stays where it is; so does one that displaced
    /// what SQS never carried, since SQS would refuse every copy of such a message, and one whose
    /// key or times no table would take, since its next death could not be written down.
    pub fn unfold(attributes: &mut Attributes) -> Option<Self> {
        let failure: Self = serde_json::from_str(attributes.text(FAILURE_ATTRIBUTE)?).ok()?;
        if !failure.is_storable() {
            return None;
        }
        if failure.displaced.is_empty() {
            attributes.remove(FAILURE_ATTRIBUTE);
            return Some(failure);
        }
        let mut unfolded = attributes.clone();
        unfolded.remove(FAILURE_ATTRIBUTE);
        for displaced in &failure.displaced {
            let (name, value) = displaced.restore()?;
            unfolded.set(name, value);
        }
        if !legal::are_legal(&unfolded) {
            return None;
        }
        *attributes = unfolded;
        Some(failure)
    }

    /// Tells whether a table takes what the next dead letter of the event repeats of this one.
    fn is_storable(&self) -> bool {
        let EventKey { source, id } = &self.key;
        let times = [self.first_sent_at, self.failed_at];
        [source, id]
            .iter()
            .all(|text| key::misfit_of(text).is_none())
            && times.iter().all(|time| *time >= Timestamp::UNIX_EPOCH)
    }
}

impl Displaced {
    fn new(name: String, value: &AttributeValue) -> Self {
        Self {
            name,
            data_type: value.data_type().to_owned(),
            text: value.as_text().map(str::to_owned),
            base64: value.as_binary().map(|bytes| BASE64.encode(bytes)),
        }
    }

    fn restore(&self) -> Option<(String, AttributeValue)> {
        let value = match (&self.text, &self.base64) {
            (Some(text), _) => AttributeValue::text(&self.data_type, text),
            (None, Some(base64)) => {
                AttributeValue::binary(&self.data_type, BASE64.decode(base64).ok()?)
            }
            (None, None) => return None,
        };
        Some((self.name.clone(), value))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure() -> Failure {
        Failure {
            class: FailureClass::Permanent,
            reason: "no customer".to_owned(),
            detail: None,
            consumer: "billing".to_owned(),
            queue: "billing".to_owned(),
            version: None,
            event_type: Some("order.placed".to_owned()),
            key: EventKey::new("/fleet/orders", "1"),
            message_id: "m".to_owned(),
            attempts: 1,
            receives: 1,
            first_sent_at: Timestamp::UNIX_EPOCH,
            failed_at: Timestamp::UNIX_EPOCH,
            replay_no: 0,
            edited: None,
            history: Vec::new(),
            displaced: Vec::new(),
        }
    }

    fn attribute() -> impl Strategy<Value = AttributeValue> {
        prop_oneof![
            "[ -\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{1,40}"
                .prop_map(AttributeValue::string),
            proptest::collection::vec(any::<u8>(), 1..40)
                .prop_map(|bytes| AttributeValue::binary("Binary.custom", bytes)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_folded_is_unfolded_byte_by_byte(
            original in proptest::collection::btree_map(
                prop_oneof![Just(FAILURE_ATTRIBUTE.to_owned()), "[a-z]{1,9}".prop_map(String::from)],
                attribute(), 0..=10),
        ) {
            let original: Attributes = original.into_iter().collect();
            let mut copy = failure().fold(original.clone());
            prop_assert!(copy.len() <= ATTRIBUTES_MAX);
            prop_assert!(copy.get(FAILURE_ATTRIBUTE).is_some());
            let unfolded = Failure::unfold(&mut copy).expect("a failure that was just folded");
            prop_assert_eq!(&unfolded.reason, "no customer");
            prop_assert_eq!(copy, original);
        }
    }

    #[test]
    fn what_the_text_of_a_failure_may_hold_and_sqs_may_not_is_escaped() {
        let written = Failure {
            key: EventKey::new("/fleet/orders", "a\u{FFFE}b\u{FFFF}\u{1}"),
            ..failure()
        };
        let mut copy = written.clone().fold(Attributes::new());
        let json = copy.text(FAILURE_ATTRIBUTE).expect("it is text");
        assert!(json.contains(r"a\ufffeb\uffff\u0001"), "{json}");
        assert_eq!(Failure::unfold(&mut copy), Some(written));
    }

    #[test]
    fn a_failure_that_displaced_what_sqs_never_carried_stays_where_it_is() {
        let forged = |displaced: Vec<Displaced>| {
            let forged = Failure {
                displaced,
                ..failure()
            };
            let json = serde_json::to_string(&forged).expect("it has string keys only");
            let mut attributes = Attributes::new();
            attributes.set(FAILURE_ATTRIBUTE, AttributeValue::string(json));
            let before = attributes.clone();
            let unfolded = Failure::unfold(&mut attributes);
            assert_eq!(unfolded.is_none(), attributes == before);
            unfolded.is_some()
        };
        let text =
            |name: &str, text: &str| Displaced::new(name.to_owned(), &AttributeValue::string(text));
        assert!(forged(vec![text("a", "v")]));
        assert!(!forged(vec![text("a", "")]));
        assert!(!forged(vec![text("a", "\u{0}")]));
        assert!(!forged(vec![text("AWS.a", "v")]));
        assert!(!forged(
            (0..11).map(|n| text(&format!("a{n}"), "v")).collect()
        ));
    }

    #[test]
    fn an_attribute_that_is_no_failure_stays_where_it_is() {
        let mut attributes = Attributes::new();
        attributes.set(FAILURE_ATTRIBUTE, AttributeValue::string("not ours"));
        assert_eq!(Failure::unfold(&mut attributes), None);
        assert_eq!(attributes.len(), 1);
    }
    #[test]
    fn a_failure_whose_next_death_no_table_would_take_stays_where_it_is() {
        let check = |change: &dyn Fn(&mut Failure), expected: bool| {
            let mut failure = failure();
            change(&mut failure);
            let mut attributes = failure.fold(Attributes::new());
            let before = attributes.clone();
            assert_eq!(
                Failure::unfold(&mut attributes).is_some(),
                expected,
                "{before:?}"
            );
            assert_eq!(attributes != before, expected);
        };
        check(&|_| {}, true);
        let past = "-000001-01-01T00:00:00Z".parse().unwrap();
        check(&|failure| failure.first_sent_at = past, false);
        check(&|failure| failure.failed_at = past, false);
        for part in ["", "a\0b", &"k".repeat(1025)] {
            check(&|failure| failure.key.id = part.to_owned(), false);
            check(&|failure| failure.key.source = part.to_owned(), false);
        }
    }
}
