//! A dead-letter queue that tests fill.

use std::fmt;

use fleet::dead_letter;
use fleet::message::{
    AttributeValue, Attributes, BODY_BYTES_MAX, Edit, EventKey, Failure, FailureClass, Message,
    MessageId, Outgoing, PastAttempt, Receipt,
};
use fleet::queue::{ClientOptions, Queue as _, Sqs, SqsQueue};
use fleet_tests::books::{order, placed};
use fleet_tests::mailbox::Mailbox;
use fleet_tests::site::Site;
use jiff::Timestamp;
use sqs_local::ReceivedMessage;

/// When all of them died, unless a test says otherwise.
pub(crate) const DIED: &str = "2020-05-01T08:00:00Z";

/// The trace of those that have one.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A site with dead letters, without its database.
pub(crate) struct Morgue {
    pub(crate) site: Site,
    pub(crate) dead: Mailbox,
    queue: SqsQueue,
}

/// A message that was received and failed.
pub(crate) fn message(body: String) -> Message {
    Message {
        id: MessageId("11111111-2222-4333-8444-555555555555".to_owned()),
        receipt: Receipt(String::new()),
        body,
        attributes: Attributes::new(),
        receive_count: 1,
        sent_at: DIED.parse().unwrap(),
        group_id: None,
        trace_header: None,
        failure: None,
    }
}

/// Why an order with this id died.
pub(crate) fn failure(id: &str, class: FailureClass, reason: &str) -> Failure {
    Failure {
        class,
        reason: reason.to_owned(),
        detail: None,
        consumer: "billing".to_owned(),
        queue: "billing".to_owned(),
        version: Some("1.2.0 (abc)".to_owned()),
        event_type: Some("order.placed".to_owned()),
        key: EventKey::new("/fleet/orders", id),
        message_id: "11111111-2222-4333-8444-555555555555".to_owned(),
        attempts: 1,
        receives: 1,
        first_sent_at: "2020-05-01T07:00:00Z".parse().unwrap(),
        failed_at: DIED.parse().unwrap(),
        replay_no: 0,
        edited: None,
        history: Vec::new(),
        displaced: Vec::new(),
    }
}

/// An order that billing refused.
pub(crate) fn refused(id: &str) -> Outgoing {
    let failure = failure(id, FailureClass::Permanent, "no customer");
    copy(&message(placed(&order(id, 1))), &failure)
}

/// An order that billing refused at this time, sent just before.
pub(crate) fn refused_at(id: &str, at: Timestamp) -> Outgoing {
    let mut failure = failure(id, FailureClass::Permanent, "no customer");
    failure.first_sent_at = at;
    failure.failed_at = at;
    copy(&message(placed(&order(id, 1))), &failure)
}

pub(crate) fn copy(message: &Message, failure: &Failure) -> Outgoing {
    dead_letter::copy(message, failure, false).message
}

/// Something of everything.
pub(crate) fn zoo() -> Vec<Outgoing> {
    use FailureClass::{AttemptsExhausted, CrashSuspect, Permanent, Undecodable, UnknownType};
    let mut all = vec![refused("1"), refused("2"), refused("1")];

    let mut slow = failure("3", AttemptsExhausted, "order 3 took 31 s");
    slow.attempts = 5;
    slow.receives = 7;
    slow.failed_at = "2020-05-01T09:30:00Z".parse().unwrap();
    slow.detail = Some("SQLSTATE 57014".to_owned());
    slow.history = vec![PastAttempt {
        receive: 6,
        outcome: "timed_out".to_owned(),
        reason: "order 3 took 30 s".to_owned(),
        at: "2020-05-01T09:00:00Z".parse().unwrap(),
    }];
    let mut traced: serde_json::Value = serde_json::from_str(&placed(&order("3", 1))).unwrap();
    traced["traceparent"] = TRACE.into();
    all.push(copy(&message(traced.to_string()), &slow));

    let mut unread = failure("x", Undecodable, "is no event");
    unread.event_type = None;
    unread.key = EventKey::new("billing", "11111111-2222-4333-8444-555555555555");
    unread.attempts = 0;
    all.push(copy(&message("this is no JSON".to_owned()), &unread));

    let mut unknown = failure("4", UnknownType, "no handler for order.placed.v9");
    unknown.event_type = Some("order.placed.v9".to_owned());
    unknown.attempts = 0;
    unknown.version = None;
    all.push(copy(&message(placed(&order("4", 1))), &unknown));

    let mut deadly = failure("5", CrashSuspect, "the process did not survive its handler");
    deadly.replay_no = 2;
    deadly.edited = Some(Edit {
        by: "ann@desk".to_owned(),
        at: "2020-05-01T07:30:00Z".parse().unwrap(),
    });
    all.push(copy(&message(placed(&order("5", 1))), &deadly));

    let mut full = message(placed(&order("6", 1)));
    full.attributes = (0..9)
        .map(|n| (format!("a{n}"), AttributeValue::string(format!("v{n}"))))
        .collect();
    let bytes = AttributeValue::binary("Binary.png", vec![0, 159, 146, 150]);
    full.attributes.set("bytes", bytes);
    full.trace_header = Some("Root=1-5e1b4151-5ac6c58f5b5d3d4f1a2b3c4d".to_owned());
    all.push(copy(&full, &failure("6", Permanent, "no customer")));

    // Where SQS's limit leaves no room, the copy does not say why it is dead.
    let mut big = order("7", 1);
    big["email"] = "".into();
    let room = BODY_BYTES_MAX - placed(&big).len();
    big["email"] = "x".repeat(room).into();
    let big = message(placed(&big));
    all.push(copy(&big, &failure("7", Permanent, "no customer")));

    // What a redrive policy moved.
    all.push(Outgoing::new(placed(&order("8", 1))));
    all.push(Outgoing::new("\u{202e}neither JSON nor ours"));
    all
}

impl Morgue {
    /// Makes an empty one.
    pub(crate) async fn new() -> Self {
        let mut site = Site::new().await;
        site.env.remove("DATABASE_URL");
        let dead = site.dead_letters.clone();
        Self::of(site, dead)
    }

    /// Makes an empty one whose queues are FIFO.
    pub(crate) async fn fifo() -> Self {
        let mut site = Site::new().await;
        site.env.remove("DATABASE_URL");
        let (_, dead) = Mailbox::pair(site.sqs(), "billing.fifo").await;
        let url = format!("{}/000000000000/billing.fifo", site.endpoint());
        let site = site.with("BILLING_QUEUE_URL", &url);
        Self::of(site, dead)
    }

    fn of(site: Site, dead: Mailbox) -> Self {
        let name = dead.url().rsplit('/').next().unwrap();
        let url = format!("{}/000000000000/{name}", site.endpoint());
        let queue = Sqs::local(&site.endpoint()).queue(&url, ClientOptions::calling());
        Self { site, dead, queue }
    }

    /// Makes one with these in it.
    pub(crate) async fn with(dead: &[Outgoing]) -> Self {
        let morgue = Self::new().await;
        morgue.bury(dead).await;
        morgue
    }

    /// Adds dead letters.
    pub(crate) async fn bury(&self, dead: &[Outgoing]) {
        for batch in fleet::queue::split(dead) {
            let sent = self.queue.send(&dead[batch]).await.unwrap();
            assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        }
    }

    /// Takes everything out, as SQS has it; it comes back a minute later.
    pub(crate) async fn everything(&self) -> Vec<Corpse> {
        let all = self.dead.peek().await;
        let mut all: Vec<_> = all.iter().map(Corpse::of).collect();
        all.sort();
        all
    }
}

/// Everything that a message is, but for what a receive or another sending changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Corpse {
    body: String,
    attributes: String,
}

impl Corpse {
    fn of(message: &ReceivedMessage) -> Self {
        Self {
            body: message.body.to_string(),
            attributes: format!("{:?}", message.message_attributes),
        }
    }
}

impl fmt::Debug for Corpse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.body.chars().take(80).collect();
        write!(f, "{start} {}", self.attributes)
    }
}
