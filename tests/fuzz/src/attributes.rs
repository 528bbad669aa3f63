use fleet::message::{ATTRIBUTES_MAX, Attributes, BODY_BYTES_MAX, Failure, Message, RawEnvelope};
use fleet::service::traces::TraceContext;
use fleet::testing::queue::LocalQueue;

use crate::letter::Letter;
use crate::post;

/// Takes message attributes as SQS delivers them: a trace, a type, an id, the reserved one.
///
/// A trace that was read is well-formed and can be handed on; what a failure displaced comes back
/// as something that SQS could have carried; folding it again loses nothing.
pub fn attributes(data: &[u8]) {
    let letter = Letter::read(data);
    let message = letter.message();
    check_sizes(&message.attributes);
    check_trace(&letter, &message);
    check_names(&message);
    check_folding(&message);
    post::run(check_delivery(&letter));
}

fn check_sizes(attributes: &Attributes) {
    let sum: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.size_bytes())
        .sum();
    assert_eq!(attributes.size_bytes(), sum);
    assert_eq!(attributes.iter().count(), attributes.len());
}

fn check_trace(letter: &Letter, message: &Message) {
    let Some(trace) = message.trace() else { return };
    let shown = trace.to_string();
    let state = trace.state();
    assert_eq!(
        TraceContext::parse(&shown, state.as_deref()),
        Some(trace.clone())
    );
    assert!(
        shown
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    );
    let mut outgoing = letter.outgoing();
    let fits = outgoing.size_bytes() + 600 < BODY_BYTES_MAX;
    outgoing.carry(&trace);
    if fits {
        assert_eq!(
            outgoing.attributes.text("traceparent"),
            Some(shown.as_str())
        );
        assert_eq!(outgoing.attributes.text("tracestate"), state.as_deref());
    }
}

/// Bare JSON is named by its attributes alone.
fn check_names(message: &Message) {
    let bare = Message {
        body: "{}".to_owned(),
        ..message.clone()
    };
    if let Ok(opened) = RawEnvelope::open(&bare, "q") {
        assert_eq!(bare.attributes.text("type"), Some(&*opened.event_type));
        match (&bare.failure, bare.attributes.text("id")) {
            (Some(failure), _) => assert_eq!(opened.key, failure.key),
            (None, Some(id)) => assert_eq!(opened.key.id, id),
            (None, None) => assert_eq!(opened.key.id, bare.id.0),
        }
    }
}

fn check_folding(message: &Message) {
    let Some(failure) = message.failure.as_deref() else {
        return;
    };
    let mut copy = failure.clone().fold(message.attributes.clone());
    assert!(copy.len() <= ATTRIBUTES_MAX);
    let mut again = Failure::unfold(&mut copy).expect("what was folded unfolds");
    assert_eq!(copy, message.attributes);
    again.displaced.clone_from(&failure.displaced);
    assert_eq!(&again, failure);
}

/// What SQS carries arrives as it was sent, and what unfolding makes of it can be sent as well.
async fn check_delivery(letter: &Letter) {
    let (queue, _) = LocalQueue::pair(&post::service(), "q").await;
    let Ok(received) = post::deliver(&queue, &letter.outgoing()).await else {
        return;
    };
    assert_eq!(received.attributes, letter.message().attributes);
    let unfolded = fleet::message::Outgoing {
        body: "x".to_owned(),
        attributes: received.attributes,
        ..Default::default()
    };
    let sent = post::deliver(&queue, &unfolded).await;
    assert!(sent.is_ok(), "SQS would refuse it: {sent:?}");
}
