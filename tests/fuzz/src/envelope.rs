use fleet::message::{DecodeError, KEY_PART_BYTES_MAX, Message, MessageId, RawEnvelope};
use fleet::{EventKey, NewEvent};

use crate::letter::Letter;
use crate::sample::Sample;

const QUEUE: &str = "orders";

/// Stands for what is nobody's business, and could not be the name of a field.
const CANARY: &str = "c4n4ry@x";

/// Opens a body in whatever envelope it is, and decodes its data.
///
/// Opening twice gives the same; a key is fit for the inbox and does not depend on the copy; what
/// is opened can be published again; and no error says anything of what is in the body.
pub fn envelope(data: &[u8]) {
    let letter = Letter::read(data);
    let message = letter.message();
    assert_eq!(told(&message), told(&message));
    if let Ok(opened) = RawEnvelope::open(&message, QUEUE) {
        check_key(&opened, &message);
        check_place(&opened, &message);
        check_republished(&opened);
    }
    check_silence(&message);
    let mut marked = message;
    mark(&mut marked.body, data.len());
    check_silence(&marked);
}

/// Everything that an envelope says.
fn told(message: &Message) -> Result<(EventKey, String, String, String), DecodeError> {
    let opened = RawEnvelope::open(message, QUEUE)?;
    let rest = format!("{:?} {:?}", opened.time, opened.trace);
    Ok((
        opened.key.clone(),
        opened.event_type.to_string(),
        opened.data().to_owned(),
        rest,
    ))
}

fn check_key(opened: &RawEnvelope<'_>, message: &Message) {
    for part in [&opened.key.source, &opened.key.id, &*opened.event_type] {
        assert!((1..=KEY_PART_BYTES_MAX).contains(&part.len()));
        assert!(!part.contains('\0'));
    }
    let copy = Message {
        id: MessageId(format!("another-{}", message.id)),
        ..message.clone()
    };
    let again = RawEnvelope::open(&copy, QUEUE).map(|opened| opened.key);
    let of_this_copy = EventKey::new(QUEUE, &message.id.0);
    let is_named = message.failure.is_some() || message.attributes.text("id").is_some();
    if opened.key == of_this_copy && !is_named && again.as_ref() != Ok(&of_this_copy) {
        // Bare JSON that nobody named: all that is left is the MessageId.
        let of_that_copy = EventKey::new(QUEUE, &copy.id.0);
        let fits = copy.id.0.len() <= KEY_PART_BYTES_MAX;
        assert!(!fits || again == Ok(of_that_copy));
        return;
    }
    assert_eq!(again.as_ref(), Ok(&opened.key));
}

fn check_place(opened: &RawEnvelope<'_>, message: &Message) {
    if let Some(place) = opened.data_place() {
        assert_eq!(&message.body[place], opened.data());
    }
}

/// What came in can go out: the data as it is, and the same key and type.
fn check_republished(opened: &RawEnvelope<'_>) {
    let event = NewEvent {
        key: opened.key.clone(),
        event_type: opened.event_type.to_string(),
        time: opened.time.unwrap_or_default(),
        data: opened.data().to_owned(),
        ordering_key: None,
        trace: opened.trace.clone(),
    };
    let sent = event.to_message();
    let message = Letter {
        body: sent.body,
        attributes: sent.attributes,
        ..Letter::default()
    }
    .message();
    let again = RawEnvelope::open(&message, QUEUE).expect("our own envelope opens");
    assert_eq!(again.key, opened.key);
    assert_eq!(again.event_type, opened.event_type);
    assert_eq!(again.trace, opened.trace);
    let plain = |data: &str| {
        data.trim_ascii()
            .replace("\u{FFFE}", "\\ufffe")
            .replace("\u{FFFF}", "\\uffff")
    };
    assert_eq!(plain(again.data()), plain(opened.data()));
}

fn check_silence(message: &Message) {
    let opened = RawEnvelope::open(message, QUEUE);
    let error = match &opened {
        Err(error) => Some(error.clone()),
        Ok(opened) => opened.decode::<Sample>().err(),
    };
    if let Some(error) = error {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(CANARY), "it says {said}");
    }
}

/// Puts the canary somewhere into a body.
fn mark(body: &mut String, entropy: usize) {
    let sum: usize = body.bytes().map(usize::from).sum();
    let mut at = (sum ^ entropy.wrapping_mul(31)) % (body.len() + 1);
    while !body.is_char_boundary(at) {
        at -= 1;
    }
    body.insert_str(at, CANARY);
}
