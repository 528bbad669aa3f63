use std::sync::atomic::{AtomicU32, Ordering};

use fleet::EventKey;
use fleet::dead_letter::{self, Death, Destination, Origin};
use fleet::message::{
    ATTRIBUTES_MAX, BODY_BYTES_MAX, Failure, FailureClass, Message, Outgoing, RawEnvelope,
};
use fleet::testing::queue::LocalQueue;

use crate::letter::Letter;
use crate::post;

const QUEUE: &str = "orders";
const CONSUMER: &str = "billing";

/// How often a message dies and is replayed in one run.
const LIVES: u32 = 3;

/// One in so many of those with a mark for it is as large as SQS lets it be: they take a hundred
/// times as long. The first is, so that a finding can be seen again.
const LARGE_ONE_IN: u32 = 64;

static MARKED: AtomicU32 = AtomicU32::new(0);

/// Lets a message die, be replayed, and die again, through queues that take only what SQS takes.
///
/// Whatever SQS delivered it takes as a dead letter and as a replay, too, with the same body and
/// attributes, byte by byte; and it stays the same event.
pub fn copy_restore(data: &[u8]) {
    let mut letter = Letter::read(data);
    let is_marked = letter.room.is_some();
    if is_marked
        && MARKED
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LARGE_ONE_IN)
    {
        letter.fill();
        large(&letter);
    } else {
        post::run(through_queues(&letter));
    }
}

async fn through_queues(letter: &Letter) {
    let (queue, dead) = LocalQueue::pair(&post::service(), QUEUE).await;
    let Ok(original) = post::deliver(&queue, &letter.outgoing()).await else {
        return;
    };
    let mut message = original.clone();
    for life in 1..=LIVES {
        let failure = failure(&message, letter);
        let copied = dead_letter::copy(&message, &failure, false);
        let copy = post::deliver(&dead, &copied.message).await;
        let copy = copy.expect("SQS takes a dead letter of what it delivered");
        check_contents(&copy, &original);

        let death = death(&copy);
        let foreign = dead_letter::restore(&copy, &death, "r", Destination::Foreign, false);
        check_restored(&foreign.message, &original);
        let home = dead_letter::restore(&copy, &death, "r", Destination::Fleet, false);
        let replayed = post::deliver(&queue, &home.message).await;
        message = replayed.expect("SQS takes back what it delivered");
        check_contents(&message, &original);
        if copied.carries_failure && home.carries_failure {
            check_event(&message, &original, &failure, life);
        }
    }
}

/// The same where the limit of 1 MiB is near.
fn large(letter: &Letter) {
    let sent = letter.outgoing();
    if sent.size_bytes() > BODY_BYTES_MAX || !post::run(is_carried(&sent)) {
        return;
    }
    let original = letter.message();
    for fifo in [false, true] {
        let copied = dead_letter::copy(&original, &failure(&original, letter), fifo);
        check_size(&copied.message, &original);
        let mut copy = Message {
            attributes: copied.message.attributes,
            body: copied.message.body,
            failure: None,
            ..original.clone()
        };
        if copied.carries_failure {
            copy.unfold();
            assert!(copy.failure.is_some());
        }
        check_contents(&copy, &original);
        let death = death(&copy);
        for to in [Destination::Fleet, Destination::Foreign] {
            let restored = dead_letter::restore(&copy, &death, "r", to, fifo);
            check_size(&restored.message, &original);
            if !restored.carries_failure {
                check_restored(&restored.message, &original);
            }
        }
    }
}

/// Tells whether SQS carries a message but for its body, which may take long to look at.
async fn is_carried(message: &Outgoing) -> bool {
    let (queue, _) = LocalQueue::pair(&post::service(), QUEUE).await;
    let small = Outgoing {
        body: "x".to_owned(),
        ..message.clone()
    };
    post::deliver(&queue, &small).await.is_ok()
}

/// Makes a failure as the worker does.
fn failure(message: &Message, letter: &Letter) -> Failure {
    let before = message.failure.as_deref();
    let opened = RawEnvelope::open(message, QUEUE).ok();
    let key = opened.as_ref().map(|opened| opened.key.clone());
    let mut history: Vec<_> = before
        .map(|failure| failure.history.clone())
        .unwrap_or_default();
    history.extend(before.map(Failure::as_past));
    Failure {
        class: FailureClass::Permanent,
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        consumer: CONSUMER.to_owned(),
        queue: QUEUE.to_owned(),
        version: None,
        event_type: opened.map(|opened| opened.event_type.into_owned()),
        key: key
            .or_else(|| Some(before?.key.clone()))
            .unwrap_or_else(|| EventKey::new(QUEUE, &message.id.0)),
        message_id: message.id.0.clone(),
        attempts: 1,
        receives: message.receive_count,
        first_sent_at: before.map_or(message.sent_at, |failure| failure.first_sent_at),
        failed_at: message.sent_at,
        replay_no: before.map_or(0, |failure| failure.replay_no),
        edited: before.and_then(|failure| failure.edited.clone()),
        history,
        displaced: Vec::new(),
    }
}

fn death(copy: &Message) -> Death {
    let origin = Origin {
        consumer: Some(CONSUMER.to_owned()),
        queue: QUEUE.to_owned(),
    };
    let death = Death::of(copy, &origin);
    assert_eq!(death.failed_at.is_some(), copy.failure.is_some());
    death
}

fn check_contents(message: &Message, original: &Message) {
    assert_eq!(message.body, original.body);
    assert_eq!(message.attributes, original.attributes);
    assert_eq!(message.group_id, original.group_id);
    assert_eq!(message.trace_header, original.trace_header);
}

fn check_restored(restored: &Outgoing, original: &Message) {
    assert_eq!(restored.body, original.body);
    assert_eq!(restored.attributes, original.attributes);
    assert_eq!(restored.group_id, original.group_id);
    assert_eq!(restored.trace_header, original.trace_header);
}

fn check_size(sent: &Outgoing, original: &Message) {
    assert!(sent.attributes.len() <= ATTRIBUTES_MAX);
    assert!(sent.size_bytes() <= BODY_BYTES_MAX.max(original.size_bytes()));
}

/// A replay is the event that died, once more.
fn check_event(message: &Message, original: &Message, died: &Failure, life: u32) {
    let carried = message.failure.as_deref().expect("it went along");
    assert_eq!(carried.key, died.key);
    assert_eq!(carried.first_sent_at, died.first_sent_at);
    let before = original
        .failure
        .as_deref()
        .map_or(0, |failure| failure.replay_no);
    assert_eq!(carried.replay_no, before.saturating_add(life));
    if let (Ok(first), Ok(now)) = (
        RawEnvelope::open(original, QUEUE),
        RawEnvelope::open(message, QUEUE),
    ) {
        assert_eq!(first.key, now.key);
        assert_eq!(first.event_type, now.event_type);
    }
}
