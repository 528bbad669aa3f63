use sha2::{Digest as _, Sha256};
use uuid::Builder;

use super::copy::mark;
use super::letter::Death;
use super::restore::replayed;
use crate::message::{Attributes, Edit, EventKey, Failure, Message, Outgoing};

/// What somebody has made of a dead letter by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// The new body.
    pub body: String,
    /// The new attributes.
    pub attributes: Attributes,
    /// The event that it is now.
    pub key: EventKey,
    /// Its type.
    pub event_type: String,
    /// Who made it, and when.
    pub edit: Edit,
}

/// Makes the message that is sent in place of a dead letter: the history, the group and the trace
/// are kept, and the failure says that it was edited.
///
/// Returns `None` when it does not fit into a message.
pub fn amend(letter: &Message, death: &Death, amendment: Amendment) -> Option<Outgoing> {
    let Amendment {
        body,
        attributes,
        key,
        event_type,
        edit,
    } = amendment;
    let failure = Failure {
        key,
        event_type: Some(event_type),
        edited: Some(edit),
        ..replayed(letter, death)
    };
    let amended = Message {
        body,
        attributes,
        ..letter.clone()
    };
    let attributes = mark(&amended, &failure)?;
    Some(Outgoing {
        body: amended.body,
        attributes,
        group_id: amended.group_id,
        deduplication_id: None,
        trace_header: amended.trace_header,
        delay: None,
    })
}

/// Makes the id of an event that was made out of another one by hand.
///
/// It is a UUID of version 7 whose time and chance are those of a digest: the same edit of the same
/// event is the same new event, however often it is tried.
pub fn successor_id(of: &EventKey, body: &str) -> String {
    let mut digest = Sha256::new();
    for part in [&of.source, &of.id, body] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (mut millis, mut chance) = ([0; 8], [0; 10]);
    millis[2..].copy_from_slice(&digest[..6]);
    chance.copy_from_slice(&digest[6..16]);
    let id = Builder::from_unix_timestamp_millis(u64::from_be_bytes(millis), &chance);
    id.into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_edit_makes_the_same_event_and_any_other_another() {
        let key = EventKey::new("/shop", "7");
        let id = successor_id(&key, "{}");
        assert_eq!(successor_id(&key, "{}"), id);
        assert_ne!(successor_id(&key, "{ }"), id);
        assert_ne!(successor_id(&EventKey::new("/shop7", ""), "{}"), id);
        assert_eq!(
            uuid::Uuid::parse_str(&id).map(|id| id.get_version_num()),
            Ok(7)
        );
    }
}
