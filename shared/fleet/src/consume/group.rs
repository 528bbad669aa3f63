use std::collections::{HashSet, VecDeque};

use tokio::time::Instant;

use super::delivery::Delivery;
use super::probe::Role;
use super::seen::Seen;
use super::waiting::RELEASES_FREE;
use crate::message::{Envelope, EventKey};

/// One delivery of a batch, its event, and what was learnt about it.
#[derive(Debug)]
pub(super) struct Item<E> {
    pub(super) member: Member,
    pub(super) event: Envelope<E>,
}

/// A delivery of a batch apart from its event.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) delivery: Delivery,
    pub(super) seen: Seen,
}

/// Events that run in one transaction; both lists have the same order.
#[derive(Debug)]
pub(super) struct Group<E, M = Member> {
    members: Vec<M>,
    events: Vec<Envelope<E>>,
}

impl Member {
    fn runs_alone(&self) -> bool {
        let Self { delivery, seen } = self;
        seen.history.charged > 0
            || seen.history.unavailable >= RELEASES_FREE
            || seen.is_suspect(&delivery.message)
            || !matches!(delivery.role, Role::Ordinary)
    }
}

impl<E, M> Group<E, M> {
    pub(super) fn new() -> Self {
        Self {
            members: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, member: M, event: Envelope<E>) {
        self.members.push(member);
        self.events.push(event);
    }

    pub(super) fn events(&self) -> &[Envelope<E>] {
        &self.events
    }

    pub(super) fn keys(&self) -> Vec<EventKey> {
        self.events.iter().map(|event| event.key.clone()).collect()
    }

    pub(super) fn members(&self) -> &[M] {
        &self.members
    }

    pub(super) fn into_members(self) -> Vec<M> {
        self.members
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn remove(&mut self, index: usize) -> M {
        self.events.remove(index);
        self.members.remove(index)
    }

    /// Keeps the first half and returns the second, which is never the smaller.
    pub(super) fn split(&mut self) -> Self {
        let half = self.len() / 2;
        Self {
            members: self.members.split_off(half),
            events: self.events.split_off(half),
        }
    }

    /// Takes out every member whose event stands in the group before it.
    pub(super) fn take_copies(&mut self) -> Vec<M> {
        let mut keys = HashSet::with_capacity(self.events.len());
        let is_first: Vec<bool> = self
            .events
            .iter()
            .map(|event| keys.insert(&event.key))
            .collect();
        let mut copies = Vec::new();
        for index in (0..is_first.len()).rev().filter(|index| !is_first[*index]) {
            copies.push(self.remove(index));
        }
        copies
    }
}

impl<E> Group<E> {
    /// Takes one out with its event.
    pub(super) fn take(&mut self, index: usize) -> Item<E> {
        Item {
            event: self.events.remove(index),
            member: self.members.remove(index),
        }
    }
}

/// Cuts a batch into groups: a message that failed before runs alone, and so does a suspect, and
/// one that is always among those that find a dependency down.
pub(super) fn cut<E>(batch: impl IntoIterator<Item = Item<E>>) -> VecDeque<Group<E>> {
    let mut together = Group::new();
    let mut groups = VecDeque::new();
    let started = Instant::now();
    for Item { mut member, event } in batch {
        member.seen.started = started;
        if member.runs_alone() {
            let mut alone = Group::new();
            alone.push(member, event);
            groups.push_back(alone);
        } else {
            together.push(member, event);
        }
    }
    groups.push_front(together);
    groups
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::message::MessageId;

    fn group(ids: &[&str]) -> Group<(), usize> {
        let mut group = Group::new();
        for (member, id) in ids.iter().enumerate() {
            let event = Envelope {
                key: EventKey::new("/test", *id),
                time: None,
                sent_at: Timestamp::UNIX_EPOCH,
                message_id: MessageId((*id).to_owned()),
                receive_count: 1,
                trace: None,
                data: (),
            };
            group.push(member, event);
        }
        group
    }

    fn ids(group: &Group<(), usize>) -> Vec<&str> {
        let ids = group.events.iter().map(|event| event.key.id.as_str());
        ids.collect()
    }

    #[test]
    fn copies_are_taken_out_and_the_first_of_each_stays() {
        let mut group = group(&["a", "b", "a", "c", "b", "a"]);
        let mut copies = group.take_copies();
        copies.sort_unstable();
        assert_eq!(copies, [2, 4, 5]);
        assert_eq!(group.members, [0, 1, 3]);
        assert_eq!(ids(&group), ["a", "b", "c"]);
    }

    #[test]
    fn halves_stay_in_step_until_each_stands_alone() {
        let mut parts = vec![group(&["a", "b", "c", "d", "e"])];
        let mut alone = Vec::new();
        while let Some(mut part) = parts.pop() {
            assert!(!part.is_empty());
            if part.len() == 1 {
                alone.push((part.members[0], part.events[0].key.id.clone()));
            } else {
                parts.push(part.split());
                parts.push(part);
            }
        }
        let named = alone.iter().map(|(member, id)| (*member, id.as_str()));
        let expected = [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e")];
        assert_eq!(named.collect::<Vec<_>>(), expected);
    }
}
