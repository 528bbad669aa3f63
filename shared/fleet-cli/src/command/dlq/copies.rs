use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fleet::dead_letter::Death;
use fleet::message::EventKey;

/// The copies of one event that died in one queue.
pub(super) struct Copies {
    /// The one that died last.
    pub(super) latest: Death,
    /// The ids of all of them.
    pub(super) message_ids: Vec<String>,
}

/// Deaths, of which copies of one event are one.
#[derive(Default)]
pub(super) struct Events {
    events: Vec<Copies>,
    places: HashMap<(EventKey, String), usize>,
}

impl Events {
    pub(super) fn add(&mut self, death: Death) {
        match self.places.entry((death.key.clone(), death.queue.clone())) {
            Entry::Vacant(place) => {
                place.insert(self.events.len());
                self.events.push(Copies {
                    message_ids: vec![death.id.clone()],
                    latest: death,
                });
            }
            Entry::Occupied(place) => {
                let copies = &mut self.events[*place.get()];
                copies.message_ids.push(death.id.clone());
                if death.at() > copies.latest.at() {
                    copies.latest = death;
                }
            }
        }
    }

    /// Returns them in the order of their deaths.
    pub(super) fn in_order(mut self) -> Vec<Copies> {
        self.events
            .sort_by(|a, b| order(&a.latest).cmp(&order(&b.latest)));
        for copies in &mut self.events {
            copies.message_ids.sort();
        }
        self.events
    }
}

fn order(death: &Death) -> (jiff::Timestamp, &EventKey, &str) {
    (death.at(), &death.key, &death.queue)
}

impl Copies {
    pub(super) fn count(&self) -> u64 {
        self.message_ids.len() as u64
    }
}
