//! The line of a FIFO queue: groups that take turns, each in its order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::slab::Slot;

/// Messages of a group, and whether it may have its turn.
#[derive(Debug, Default)]
struct Group {
    /// Those not in flight, in order; `true` when visible.
    waiting: BTreeMap<u64, (Slot, bool)>,
    in_flight: usize,
    turn: Option<u64>,
}

impl Group {
    /// A group may have its turn when none of it is in flight and its first is visible.
    fn is_ready(&self) -> bool {
        self.in_flight == 0 && self.first_visible().is_some()
    }

    fn first_visible(&self) -> Option<(u64, Slot)> {
        let (seq, (slot, visible)) = self.waiting.first_key_value()?;
        visible.then_some((*seq, *slot))
    }
}

/// All groups of a queue.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    turns: BTreeMap<u64, Arc<str>>,
    turn_next: u64,
}

impl Groups {
    /// Adds a message, or gives it back to its place after it was in flight.
    pub(crate) fn put(&mut self, group: &Arc<str>, seq: u64, slot: Slot, visible: bool) {
        let entry = self.groups.entry(Arc::clone(group)).or_default();
        entry.waiting.insert(seq, (slot, visible));
        self.refresh(group);
    }

    /// Takes the next message: of the given group as long as it has one, since SQS fills a
    /// receive from one group first, else of the group whose turn it is.
    pub(crate) fn take(&mut self, current: &mut Option<Arc<str>>) -> Option<Slot> {
        if let Some(slot) = current.as_ref().and_then(|group| self.take_of(group)) {
            return Some(slot);
        }
        let group = Arc::clone(self.turns.first_key_value()?.1);
        let slot = self.take_of(&group);
        *current = Some(group);
        slot
    }

    fn take_of(&mut self, name: &Arc<str>) -> Option<Slot> {
        let group = self.groups.get_mut(name)?;
        let (seq, slot) = group.first_visible()?;
        group.waiting.remove(&seq);
        group.in_flight += 1;
        self.refresh(name);
        Some(slot)
    }

    /// Ends a flight: the message was deleted, moved, or is about to be put back.
    pub(crate) fn land(&mut self, group: &Arc<str>) {
        if let Some(group) = self.groups.get_mut(group) {
            group.in_flight = group.in_flight.saturating_sub(1);
        }
        self.refresh(group);
    }

    /// Forgets a message that is not in flight.
    pub(crate) fn forget(&mut self, group: &Arc<str>, seq: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.waiting.remove(&seq);
        }
        self.refresh(group);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn refresh(&mut self, name: &Arc<str>) {
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        match (group.is_ready(), group.turn) {
            (true, None) => {
                group.turn = Some(self.turn_next);
                self.turns.insert(self.turn_next, Arc::clone(name));
                self.turn_next += 1;
            }
            (false, Some(turn)) => {
                group.turn = None;
                self.turns.remove(&turn);
            }
            _ => {}
        }
        if group.in_flight == 0 && group.waiting.is_empty() {
            self.groups.remove(name);
        }
    }
}
