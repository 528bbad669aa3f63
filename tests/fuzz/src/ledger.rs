//! What is known of an account from its answers alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqs_local::{GetQueueAttributes, ListQueues, Sqs};

/// What was sent, handed out and deleted.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Receipts in the order in which they were handed out.
    pub(crate) receipts: Vec<String>,
    /// The handle of the newest move task.
    pub(crate) task: String,
    /// Messages by their id, with the digest of their body.
    sent: BTreeMap<String, String>,
    deleted: BTreeSet<String>,
    /// The message of each receipt.
    by_receipt: BTreeMap<String, String>,
    /// Move tasks give ids that no send has told.
    has_moves: bool,
}

/// How many messages there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) all: usize,
    pub(crate) in_flight: usize,
}

impl Ledger {
    /// Takes in the answer of an operation that did what it was asked.
    pub(crate) fn note(&mut self, operation: &str, answer: &Value) {
        match operation {
            "SendMessage" => self.note_sent(answer),
            "SendMessageBatch" => list(answer, "Successful").for_each(|sent| self.note_sent(sent)),
            "ReceiveMessage" => list(answer, "Messages").for_each(|got| self.note_received(got)),
            "StartMessageMoveTask" => {
                self.task = text(answer, "TaskHandle");
                self.has_moves = true;
            }
            _ => {}
        }
    }

    fn note_sent(&mut self, sent: &Value) {
        let digest = text(sent, "MD5OfMessageBody");
        assert_eq!(digest.len(), 32);
        // A second one with its deduplication id is told the id of the first, which is kept.
        let id = text(sent, "MessageId");
        self.sent.entry(id).or_insert(digest);
    }

    fn note_received(&mut self, message: &Value) {
        let id = text(message, "MessageId");
        assert!(!self.deleted.contains(&id), "{id} was deleted");
        match self.sent.get(&id) {
            Some(digest) => assert_eq!(digest, &text(message, "MD5OfBody")),
            None => assert!(self.has_moves, "{id} was never sent"),
        }
        let receipt = text(message, "ReceiptHandle");
        self.by_receipt.insert(receipt.clone(), id);
        self.receipts.push(receipt);
    }

    /// Takes in that one message is gone since a receipt was used.
    pub(crate) fn note_deleted(&mut self, receipt: &str) {
        let id = self.by_receipt.get(receipt).cloned();
        self.deleted
            .insert(id.expect("only a receipt that was handed out deletes"));
    }

    /// Checks that there is nothing that nobody sent, and nothing in flight that nobody has.
    pub(crate) fn check(&self, counts: Counts) {
        let gone = self.deleted.iter().filter(|id| self.sent.contains_key(*id));
        assert!(counts.all + gone.count() <= self.sent.len(), "{counts:?}");
        assert!(counts.in_flight <= self.receipts.len(), "{counts:?}");
    }
}

/// Counts the messages of all queues.
pub(crate) async fn counts(sqs: &Sqs) -> Counts {
    let listed = sqs.list_queues(ListQueues::default()).await;
    let mut counts = Counts::default();
    for queue_url in listed.expect("an account can be listed").queue_urls {
        let asked = GetQueueAttributes {
            queue_url,
            attribute_names: vec!["All".to_owned()],
        };
        let answer = sqs.get_queue_attributes(asked).await;
        let attributes = answer.expect("a queue that is listed is there").attributes;
        let count = |name: &str| -> usize {
            let value = attributes.get(name).expect("each queue has its counts");
            value.parse().expect("a count is a number")
        };
        let in_flight = count("ApproximateNumberOfMessagesNotVisible");
        counts.in_flight += in_flight;
        counts.all += in_flight
            + count("ApproximateNumberOfMessages")
            + count("ApproximateNumberOfMessagesDelayed");
    }
    counts
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let listed = answer.get(name).and_then(Value::as_array);
    listed.map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("an answer without {name}: {value}"))
        .to_owned()
}
