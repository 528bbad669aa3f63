//! What holds whatever happens: nothing is lost or doubled, and groups keep their order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::message::MessageId;

#[derive(Debug, Clone)]
enum Step {
    Send {
        group: u8,
        delay: i32,
    },
    Receive {
        max: usize,
        visibility: u64,
    },
    Delete {
        which: prop::sample::Index,
    },
    Change {
        which: prop::sample::Index,
        secs: i32,
    },
    Wait {
        secs: u64,
    },
    Poll {
        secs: u64,
    },
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        5 => (0..3u8, prop_oneof![3 => Just(0), 1 => 1..20]).prop_map(|(group, delay)| Step::Send { group, delay }),
        5 => (1..4usize, 0..20u64).prop_map(|(max, visibility)| Step::Receive { max, visibility }),
        4 => which().prop_map(|which| Step::Delete { which }),
        2 => (which(), 0..20).prop_map(|(which, secs)| Step::Change { which, secs }),
        3 => (0..15u64).prop_map(|secs| Step::Wait { secs }),
        1 => (1..20u64).prop_map(|secs| Step::Poll { secs }),
        1 => Just(Step::Purge),
    ];
    prop::collection::vec(step, 1..120)
}

/// What the test knows of a message, from the outside.
struct Known {
    sent: Millis,
    gone: bool,
}

/// Of each group, the messages in their order, and whether one is in flight.
type Groups = BTreeMap<String, (Vec<(u64, MessageId)>, bool)>;

struct World {
    stage: Stage,
    known: HashMap<MessageId, Known>,
    /// Each receipt with its message; the newest of each message is the last.
    receipts: Vec<(MessageId, String)>,
    moved: BTreeSet<MessageId>,
}

impl World {
    fn new(fifo: bool) -> Self {
        let policy = redrive(4);
        let attributes = [
            ("RedrivePolicy", policy.as_str()),
            ("MessageRetentionPeriod", "60"),
        ];
        let stage = if fifo {
            Stage::fifo(&attributes)
        } else {
            Stage::standard(&attributes)
        };
        let stage = stage.with_in_flight_max(6);
        Self {
            stage,
            known: HashMap::new(),
            receipts: Vec::new(),
            moved: BTreeSet::new(),
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        match step {
            Step::Send { group, delay } => self.send(number, *group, *delay),
            Step::Receive { max, visibility } => self.receive(*max, *visibility),
            Step::Delete { which } if !self.receipts.is_empty() => {
                let (id, handle) = which.get(&self.receipts).clone();
                let there = self.stage.queue.messages.len();
                let _refused = self.stage.delete(&handle);
                let newest = self.receipts.iter().rfind(|(other, _)| *other == id);
                if self.stage.queue.messages.len() < there {
                    assert_eq!(newest.map(|(_, newest)| newest), Some(&handle));
                    self.known.get_mut(&id).unwrap().gone = true;
                }
            }
            Step::Change { which, secs } if !self.receipts.is_empty() => {
                let handle = which.get(&self.receipts).1.clone();
                let _refused = self.stage.change(&handle, *secs);
            }
            Step::Delete { .. } | Step::Change { .. } => {}
            Step::Wait { secs } => self.stage.wait(*secs),
            Step::Poll { secs } => {
                let take = Take {
                    max: 1,
                    visibility: Some(5 * SECOND),
                    attempt: None,
                };
                let received = self
                    .stage
                    .queue
                    .receive(self.stage.now, take, secs * SECOND);
                if let Ok(Received::Now(deliveries)) = received {
                    self.remember(deliveries);
                }
            }
            Step::Purge => {
                if self.stage.queue.purge(self.stage.now, "orders").is_ok() {
                    self.known.values_mut().for_each(|known| known.gone = true);
                }
            }
        }
        for moved in self.stage.queue.take_moved() {
            assert!(self.moved.insert(moved.content.id), "moved twice");
            assert!(
                !self.known[&moved.content.id].gone,
                "moved after it was gone"
            );
        }
        self.conserve();
    }

    fn send(&mut self, number: usize, group: u8, delay: i32) {
        let body = number.to_string();
        let draft = if self.stage.queue.is_fifo() {
            grouped(&group.to_string(), &body)
        } else {
            delayed(&body, delay)
        };
        let sent = self.stage.try_send(draft).unwrap();
        let known = Known {
            sent: self.stage.now,
            gone: false,
        };
        assert!(
            self.known.insert(sent.id, known).is_none(),
            "an id was given twice"
        );
    }

    fn receive(&mut self, max: usize, visibility: u64) {
        if !self.stage.queue.is_fifo() && self.stage.counts()[1] >= 6 {
            return;
        }
        let before = self.groups();
        let deliveries = self.stage.deliveries(max, Some(visibility));
        if self.stage.queue.is_fifo() {
            self.check_order(&before, &deliveries);
        }
        self.remember(deliveries);
    }

    fn remember(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            assert!(
                !self.known[&delivery.content.id].gone,
                "delivered after it was gone"
            );
            self.receipts
                .push((delivery.content.id, delivery.receipt_handle.to_string()));
        }
    }

    /// Each message that was sent is in the queue once, or there is a reason why not.
    fn conserve(&self) {
        self.stage.check();
        let mut there = BTreeSet::new();
        for (_, message) in self.stage.queue.messages.iter() {
            assert!(there.insert(message.content.id), "twice in the queue");
        }
        for (id, known) in &self.known {
            let expired = known.sent + 60 * SECOND <= self.stage.now;
            let accounted = known.gone || expired || self.moved.contains(id);
            assert_eq!(there.contains(id), !accounted, "{id:?}");
        }
    }

    fn groups(&self) -> Groups {
        let mut groups: Groups = BTreeMap::new();
        for (_, message) in self.stage.queue.messages.iter() {
            let name = message
                .content
                .group
                .as_deref()
                .unwrap_or_default()
                .to_owned();
            let (members, in_flight) = groups.entry(name).or_default();
            members.push((message.seq, message.content.id));
            *in_flight |= matches!(message.place, super::slab::Place::InFlight { .. });
        }
        groups
            .values_mut()
            .for_each(|(members, _)| members.sort_unstable());
        groups
    }

    /// What is delivered of a group is its oldest messages in order, those apart that moved, and
    /// none of it was in flight.
    fn check_order(&self, before: &Groups, deliveries: &[Delivery]) {
        let there: BTreeSet<MessageId> = self
            .stage
            .queue
            .messages
            .iter()
            .map(|(_, message)| message.content.id)
            .collect();
        for (name, (members, in_flight)) in before {
            let of_group = |delivery: &&Delivery| delivery.content.group.as_deref() == Some(name);
            let delivered: Vec<MessageId> = deliveries
                .iter()
                .filter(of_group)
                .map(|delivery| delivery.content.id)
                .collect();
            let oldest: Vec<MessageId> = members
                .iter()
                .map(|(_, id)| *id)
                .filter(|id| there.contains(id))
                .take(delivered.len())
                .collect();
            assert_eq!(delivered, oldest, "group {name}");
            assert!(
                delivered.is_empty() || !in_flight,
                "group {name} was in flight"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_and_groups_keep_their_order(fifo: bool, steps in steps()) {
        let mut world = World::new(fifo);
        for (number, step) in steps.iter().enumerate() {
            world.step(number, step);
        }
    }
}
