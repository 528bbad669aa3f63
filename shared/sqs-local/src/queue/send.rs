//! How messages come into a queue.

use std::sync::Arc;

use rand::RngExt as _;
use uuid::Builder;

use super::attributes::DeduplicationScope;
use super::deduplication::{DeduplicationKey, Remembered};
use super::moves::Why;
use super::slab::{Message, Place};
use super::state::Queue;
use crate::error::Error;
use crate::limits::{DELAY_SECS_MAX, Millis, SECOND};
use crate::message::{Content, Draft, Extras, Md5, MessageId};

/// Sequence numbers have 20 digits, and only grow.
const SEQUENCE_BASE: u128 = 18_870_000_000_000_000_000;
/// They are not consecutive in SQS, and nobody should think so here.
const SEQUENCE_STEP: u128 = 256;

/// What the service says of a message it took.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: MessageId,
    pub(crate) body_md5: Md5,
    pub(crate) attributes_md5: Option<Md5>,
    pub(crate) system_md5: Option<Md5>,
    pub(crate) sequence: Option<u128>,
}

impl Queue {
    /// Takes a message in, or recognises it as one that was sent before.
    pub(crate) fn send(&mut self, now: Millis, draft: Draft) -> Result<Sent, Error> {
        draft.check_bytes(self.attributes.message_bytes_max)?;
        let delay = self.delay_of(&draft)?;
        let deduplication = self.check_ids(&draft)?;
        let mut sent = Sent {
            id: self.new_id(),
            body_md5: draft.body_md5,
            attributes_md5: draft.attributes.as_ref().map(|(_, digest)| *digest),
            system_md5: draft.system_md5,
            sequence: None,
        };
        let deduplication = match deduplication {
            None => None,
            Some(id) => {
                let key = self.deduplication_key(&draft.group, Arc::clone(&id));
                if let Some(first) = self.deduplication.find(&key) {
                    sent.id = first.id;
                    sent.sequence = Some(first.sequence);
                    return Ok(sent);
                }
                let sequence = self.sequence();
                self.deduplication.remember(
                    now,
                    key,
                    Remembered {
                        id: sent.id,
                        sequence,
                    },
                );
                sent.sequence = Some(sequence);
                Some(id)
            }
        };
        let extras = Extras {
            attributes: draft.attributes,
            trace_header: draft.trace_header,
            deduplication,
            sequence: sent.sequence,
            ..Extras::default()
        };
        let content = Content {
            id: sent.id,
            body: draft.body,
            body_md5: draft.body_md5,
            sender: draft.sender,
            sent: now,
            group: draft.group,
            extras: extras.boxed(),
        };
        self.insert(now, content, now + delay);
        Ok(sent)
    }

    /// Returns an id for a message.
    pub(super) fn new_id(&mut self) -> MessageId {
        MessageId(Builder::from_random_bytes(self.rng.random()).into_uuid())
    }

    /// Takes in a message that comes from another queue.
    pub(crate) fn take_in(&mut self, now: Millis, content: Content, why: Why) {
        match why {
            Why::Dead => self.bury(now, content),
            Why::Task => self.welcome(now, content),
        }
    }

    /// Takes in a message whose receives are used up elsewhere.
    ///
    /// It keeps its id. Its age goes on in a standard queue; in a FIFO queue it starts anew, and
    /// the message id takes the place of the deduplication id.
    fn bury(&mut self, now: Millis, mut content: Content) {
        if self.is_fifo() {
            let id: Arc<str> = content.id.to_string().into();
            let key = self.deduplication_key(&content.group, Arc::clone(&id));
            let sequence = self.sequence();
            self.deduplication.remember(
                now,
                key,
                Remembered {
                    id: content.id,
                    sequence,
                },
            );
            content.sent = now;
            content.extras_mut().deduplication = Some(id);
            content.extras_mut().sequence = Some(sequence);
        }
        self.insert(now, content, now);
    }

    /// Takes in a message that a move task brings: one sent just now, in every respect.
    ///
    /// On a FIFO queue that includes the deduplication, by the id it had where it comes from.
    fn welcome(&mut self, now: Millis, mut content: Content) {
        content.sent = now;
        if self.is_fifo() {
            let id = content.extras().deduplication.clone();
            let id = id.unwrap_or_else(|| content.id.to_string().into());
            let key = self.deduplication_key(&content.group, Arc::clone(&id));
            if self.deduplication.find(&key).is_some() {
                return;
            }
            let sequence = self.sequence();
            let sent = Remembered {
                id: content.id,
                sequence,
            };
            self.deduplication.remember(now, key, sent);
            content.extras_mut().deduplication = Some(id);
            content.extras_mut().sequence = Some(sequence);
        }
        self.insert(now, content, now + self.attributes.delay);
    }

    fn insert(&mut self, now: Millis, content: Content, until: Millis) {
        let seq = self.seq_next;
        self.seq_next += 1;
        let sent = content.sent;
        let slot = self.messages.insert(Message {
            first_received: content.extras().first_received,
            content: Arc::new(content),
            seq,
            receives: 0,
            place: Place::Ready { turn: 0 },
        });
        self.ages.insert((sent, seq, slot));
        self.stand(now, slot, until);
    }

    fn delay_of(&self, draft: &Draft) -> Result<Millis, Error> {
        match draft.delay_secs {
            None => Ok(self.attributes.delay),
            Some(0) if self.is_fifo() => Ok(self.attributes.delay),
            Some(secs) if self.is_fifo() => Err(Error::invalid_value(
                secs,
                "DelaySeconds",
                "The request include parameter that is not valid for this queue type.",
            )),
            Some(secs) => match Millis::try_from(secs) {
                Ok(delay) if secs <= DELAY_SECS_MAX => Ok(delay * SECOND),
                _ => Err(Error::invalid_value(
                    secs,
                    "DelaySeconds",
                    "DelaySeconds must be >= 0 and <= 900.",
                )),
            },
        }
    }

    /// Checks group and deduplication id, and returns the latter where the queue has one.
    fn check_ids(&self, draft: &Draft) -> Result<Option<Arc<str>>, Error> {
        let Some(fifo) = &self.attributes.fifo else {
            return match &draft.deduplication {
                None => Ok(None),
                Some(id) => Err(Error::invalid_value(
                    id,
                    "MessageDeduplicationId",
                    "The request include parameter that is not valid for this queue type.",
                )),
            };
        };
        if draft.group.is_none() {
            return Err(Error::missing("MessageGroupId"));
        }
        match &draft.deduplication {
            Some(id) => Ok(Some(Arc::clone(id))),
            None if fifo.content_based => Ok(Some(content_id(&draft.body))),
            None => Err(Error::invalid(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            )),
        }
    }

    fn deduplication_key(&self, group: &Option<Arc<str>>, id: Arc<str>) -> DeduplicationKey {
        let by_group = self
            .attributes
            .fifo
            .as_ref()
            .is_some_and(|fifo| fifo.scope == DeduplicationScope::MessageGroup);
        (group.clone().filter(|_| by_group), id)
    }

    fn sequence(&self) -> u128 {
        SEQUENCE_BASE + u128::from(self.seq_next) * SEQUENCE_STEP
    }
}

/// The SHA-256 of a body, which stands in for a deduplication id.
fn content_id(body: &str) -> Arc<str> {
    use sha2::Digest as _;
    use std::fmt::Write as _;

    let digest = sha2::Sha256::digest(body.as_bytes());
    let mut hex = String::with_capacity(64);
    for byte in digest {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex.into()
}
