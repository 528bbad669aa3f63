use std::collections::{HashMap, HashSet};

use fleet::dead_letter::Death;
use fleet::message::{EventKey, Message};
use sha2::{Digest as _, Sha256};

/// By what a message that was exported is known again in its queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Identity {
    /// The event, and the queue that it died in.
    Event(EventKey, String),
    /// Nothing but what is in it: it names no id, and its MessageId is another in each queue.
    Content([u8; 32]),
}

/// What a dead-letter queue, or a file, is known to have.
#[derive(Clone, Default)]
pub(super) struct Known {
    events: HashSet<(EventKey, String)>,
    /// How often each content is there: equal messages that name no id are not one event.
    contents: HashMap<[u8; 32], u64>,
}

impl Known {
    /// Adds a message.
    pub(super) fn add(&mut self, death: &Death, message: &Message) {
        match Identity::of(death, message) {
            Identity::Event(key, queue) => drop(self.events.insert((key, queue))),
            Identity::Content(digest) => *self.contents.entry(digest).or_default() += 1,
        }
    }

    /// Tells whether a message is there; one that names no id is there as often as it was added.
    pub(super) fn takes(&mut self, death: &Death, message: &Message) -> bool {
        match Identity::of(death, message) {
            Identity::Event(key, queue) => self.events.contains(&(key, queue)),
            Identity::Content(digest) => match self.contents.get_mut(&digest) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    true
                }
                _ => false,
            },
        }
    }
}

/// The messages of a file, as far as it was read.
#[derive(Default)]
pub(super) struct Read {
    events: HashSet<(EventKey, String)>,
    messages: HashSet<String>,
}

impl Read {
    /// Tells whether a message is new in the file.
    pub(super) fn is_new(&mut self, death: &Death, message: &Message) -> bool {
        match Identity::of(death, message) {
            Identity::Event(key, queue) => self.events.insert((key, queue)),
            Identity::Content(_) => self.messages.insert(death.id.clone()),
        }
    }
}

impl Identity {
    fn of(death: &Death, message: &Message) -> Self {
        let names_no_id = message.failure.is_none() && death.key.id == death.id;
        match names_no_id {
            true => Self::Content(content(message)),
            false => Self::Event(death.key.clone(), death.queue.clone()),
        }
    }
}

fn content(message: &Message) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    add(message.body.as_bytes());
    for (name, value) in message.attributes.iter() {
        add(name.as_bytes());
        add(value.data_type().as_bytes());
        let text = value.as_text().map(str::as_bytes);
        add(text.or(value.as_binary()).unwrap_or_default());
    }
    for text in [&message.group_id, &message.trace_header] {
        add(text.as_deref().unwrap_or_default().as_bytes());
    }
    digest.finalize().into()
}
