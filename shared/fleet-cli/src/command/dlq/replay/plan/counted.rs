use std::collections::{BTreeMap, HashMap};

use fleet::EventKey;
use fleet::dead_letter::{Death, restore};
use fleet::message::Message;
use fleet::queue::Queue as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::command::dlq::replay::destination::Place;

/// How many kinds of failure a plan lists.
const KINDS_MAX: usize = 10;

/// Messages of one kind of failure.
#[derive(Debug, Serialize)]
pub(super) struct Kind {
    pub(super) class: &'static str,
    pub(super) event_type: Option<String>,
    pub(super) reason: String,
    pub(super) messages: u64,
}

/// What is counted while looking.
#[derive(Default)]
pub(super) struct Counted {
    kinds: BTreeMap<(&'static str, Option<String>, String), u64>,
    pub(super) events: HashMap<EventKey, u64>,
    pub(super) messages: u64,
    pub(super) too_old: u64,
    pub(super) without_history: Vec<String>,
    pub(super) without_group: u64,
}

impl Counted {
    /// Counts one.
    pub(super) fn add(
        &mut self,
        death: &Death,
        message: &Message,
        place: &Place<'_>,
        oldest: Option<Timestamp>,
    ) {
        self.messages += 1;
        *self.events.entry(death.key.clone()).or_default() += 1;
        let kind = (
            death.class.as_str(),
            death.event_type.clone(),
            death.reason.clone(),
        );
        *self.kinds.entry(kind).or_default() += 1;
        if oldest.is_some_and(|oldest| death.first_sent_at < oldest) {
            self.too_old += 1;
        }
        if place.queue.is_fifo() && message.group_id.is_none() {
            self.without_group += 1;
        }
        if place.consumer.is_some()
            && !restore(message, death, "", place.kind(), false).carries_failure
        {
            self.without_history.push(death.id.clone());
        }
    }

    /// Returns the most frequent kinds, and how many messages are of others.
    pub(super) fn top(&mut self) -> (Vec<Kind>, u64) {
        let kinds = std::mem::take(&mut self.kinds).into_iter();
        let mut kinds: Vec<Kind> = kinds
            .map(|((class, event_type, reason), messages)| Kind {
                class,
                event_type,
                reason,
                messages,
            })
            .collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.messages));
        let others = kinds.iter().skip(KINDS_MAX).map(|kind| kind.messages).sum();
        kinds.truncate(KINDS_MAX);
        (kinds, others)
    }
}
