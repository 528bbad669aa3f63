use arbitrary::{Arbitrary, Unstructured};
use fleet::EventKey;
use fleet::message::{
    ATTRIBUTES_MAX, AttributeValue, Attributes, Edit, FAILURE_ATTRIBUTE, Failure, FailureClass,
    KEY_PART_BYTES_MAX, PastAttempt,
};
use jiff::Timestamp;

/// Reads the reserved attribute, written by anybody; and writes and reads what the fleet writes.
///
/// What is none of ours stays where it is; what is, is taken out, and comes back when it is folded
/// again; and nothing of a failure or of the attributes beside it changes on the way.
pub fn failure(data: &[u8]) {
    foreign(&String::from_utf8_lossy(data));
    if let Ok(case) = Case::arbitrary(&mut Unstructured::new(data)) {
        ours(&case);
    }
}

fn foreign(text: &str) {
    let mut attributes = Attributes::new();
    attributes.set("kept", AttributeValue::string("k"));
    attributes.set(FAILURE_ATTRIBUTE, AttributeValue::string(text));
    let before = attributes.clone();
    let Some(failure) = Failure::unfold(&mut attributes) else {
        assert_eq!(attributes, before);
        return;
    };
    assert!(attributes.len() <= ATTRIBUTES_MAX);
    assert_eq!(attributes.text("kept"), Some("k"));
    let mut copy = failure.clone().fold(attributes.clone());
    let again = Failure::unfold(&mut copy).expect("what was folded unfolds");
    assert_eq!(copy, attributes);
    same(again, failure);
}

fn ours(case: &Case) {
    let attributes = case.attributes();
    let failure = case.failure();
    let mut copy = failure.clone().fold(attributes.clone());
    assert!(copy.len() <= ATTRIBUTES_MAX);
    let text = copy.text(FAILURE_ATTRIBUTE).expect("it is there");
    assert!(text.chars().all(is_carried), "SQS would refuse {text:?}");
    let again = Failure::unfold(&mut copy);
    assert_eq!(copy, attributes);
    same(again.expect("what was folded unfolds"), failure);
}

/// What it displaced depends on the attributes beside it, all the rest is its own.
fn same(mut left: Failure, mut right: Failure) {
    left.displaced.clear();
    right.displaced.clear();
    assert_eq!(left, right);
}

/// The characters of XML 1.0, which SQS takes.
fn is_carried(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

#[derive(Debug, Arbitrary)]
struct Case {
    class: u8,
    texts: [String; 7],
    options: [Option<String>; 3],
    counts: [u32; 4],
    times: [i64; 2],
    edit: Option<(String, i64)>,
    history: Vec<(u32, String, String, i64)>,
    beside: Vec<(u16, Value)>,
}

/// An attribute that SQS would carry.
#[derive(Debug, Arbitrary)]
enum Value {
    Text(String),
    Number(i32),
    Binary(Vec<u8>),
}

impl Case {
    fn failure(&self) -> Failure {
        let [reason, consumer, queue, source, id, message_id, _] = self.texts.clone();
        let [detail, version, event_type] = self.options.clone();
        let [attempts, receives, replay_no, _] = self.counts;
        Failure {
            class: FailureClass::ALL[usize::from(self.class) % FailureClass::ALL.len()],
            reason,
            detail,
            consumer,
            queue,
            version,
            event_type,
            key: EventKey::new(part(&source), part(&id)),
            message_id,
            attempts,
            receives,
            first_sent_at: time(self.times[0]),
            failed_at: time(self.times[1]),
            replay_no,
            edited: self.edit.as_ref().map(|(by, at)| Edit {
                by: by.clone(),
                at: time(*at),
            }),
            history: self
                .history
                .iter()
                .map(|(receive, outcome, reason, at)| PastAttempt {
                    receive: *receive,
                    outcome: outcome.clone(),
                    reason: reason.clone(),
                    at: time(*at),
                })
                .collect(),
            displaced: Vec::new(),
        }
    }

    /// As many as SQS carries; one of them may have the reserved name.
    fn attributes(&self) -> Attributes {
        let named = |(n, value): &(u16, Value)| {
            let name = match n % 16 {
                0 => FAILURE_ATTRIBUTE.to_owned(),
                n => format!("a{n}"),
            };
            (name, value.attribute())
        };
        self.beside.iter().take(ATTRIBUTES_MAX).map(named).collect()
    }
}

impl Value {
    fn attribute(&self) -> AttributeValue {
        match self {
            Self::Text(text) => {
                let legal: String = text.chars().filter(|c| is_carried(*c)).collect();
                AttributeValue::string(format!("t{legal}"))
            }
            Self::Number(number) => AttributeValue::text("Number.int", number.to_string()),
            Self::Binary(bytes) => {
                AttributeValue::binary("Binary.png", [b"b", bytes.as_slice()].concat())
            }
        }
    }
}

/// A part of a key that an envelope may have: the fleet writes no other.
fn part(text: &str) -> String {
    let mut part = format!("k{}", text.replace('\0', ""));
    part.truncate(part.floor_char_boundary(KEY_PART_BYTES_MAX));
    part
}

/// A time that a message may have been sent at, to the nanosecond of jiff's.
fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos.unsigned_abs())).expect("64 bits are 584 years")
}
