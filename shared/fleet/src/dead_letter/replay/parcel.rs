use sha2::{Digest as _, Sha256};

use crate::dead_letter::letter::Death;
use crate::dead_letter::restore::{Destination, Restored, restore};
use crate::message::{Message, Outgoing, Receipt};
use crate::store::PlannedEntry;

/// How many bytes of a digest say that two messages say the same.
const CONTENT_BYTES: usize = 16;

/// One dead letter on its way: what is written down of it, what is sent, what is deleted.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// What the journal is told.
    pub(super) entry: PlannedEntry,
    /// What is sent in its place.
    pub(super) message: Outgoing,
    /// The handle of the dead letter.
    pub(super) receipt: Receipt,
}

impl Parcel {
    /// Packs a dead letter as it was when it died.
    pub(super) fn restored(letter: &Message, death: &Death, to: Destination) -> Self {
        // The deduplication id is given when the journal has said who planned it first.
        let Restored {
            message,
            carries_failure,
        } = restore(letter, death, "", to, false);
        // A copy is deleted unsent: only what surely has not died since is taken for one. A
        // failure that goes along counts the replays, and without one there is no telling.
        let is_comparable = carries_failure || to == Destination::Foreign;
        Self {
            entry: PlannedEntry {
                content: is_comparable.then(|| content(letter, death)),
                ..entry(letter, death)
            },
            message,
            receipt: letter.receipt.clone(),
        }
    }

    /// Packs a message that somebody has made out of a dead letter, to be sent in its place.
    ///
    /// For a copy of the letter it was sent already, and whoever asks for both knows that.
    pub fn edited(letter: &Message, death: &Death, message: Outgoing) -> Self {
        Self {
            entry: PlannedEntry {
                content: Some(content(letter, death)),
                is_edited: true,
                ..entry(letter, death)
            },
            message,
            receipt: letter.receipt.clone(),
        }
    }
}

fn entry(letter: &Message, death: &Death) -> PlannedEntry {
    let failure = letter.failure.as_deref();
    PlannedEntry {
        message_id: death.id.clone(),
        key: death.key.clone(),
        event_type: death.event_type.clone(),
        fingerprint: death.fingerprint.to_string(),
        content: None,
        // SQS moves a message with its id; the fleet's copies name the one that they are of.
        died_as: failure
            .map_or(&death.id, |failure| &failure.message_id)
            .clone(),
        is_edited: false,
    }
}

/// Digests what has to be the same in copies of one event.
fn content(letter: &Message, death: &Death) -> String {
    let mut digest = Sha256::new();
    for part in [&death.key.source, &death.key.id, &death.queue, &letter.body] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.update(death.replay_no.to_be_bytes());
    let digest = digest.finalize();
    let hex = digest[..CONTENT_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"));
    hex.collect()
}
