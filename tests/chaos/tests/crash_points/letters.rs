use std::collections::{BTreeMap, BTreeSet};

use fleet::Event as _;
use fleet_chaos::detour::{Bulk, Detour};
use fleet_chaos::ledger::{SOURCE, Transfer};
use serde::Serialize;
use serde_json::json;

use crate::points::Story;

/// How long a transfer takes whose lease has to be extended: longer than half of it.
const LONG_MS: u64 = 6_500;

/// One message, and what is to become of it.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The id of its event; a second copy has the same.
    pub(crate) event: String,
    /// The group that keeps its order, on a FIFO queue.
    pub(crate) group: &'static str,
    pub(crate) body: String,
    pub(crate) transfer: Transfer,
}

/// Writes the letters of a story, each as the one before has left the accounts.
#[derive(Default)]
struct Desk {
    letters: Vec<Letter>,
}

impl Desk {
    fn transfer(&self) -> Transfer {
        let number = i32::try_from(self.letters.len()).expect("there are few letters");
        Transfer {
            from: number % 3,
            to: 10 + number % 4,
            amount: i64::from(number) * 7 + 1,
            refused: false,
        }
    }

    fn write(&mut self, event: &str, group: &'static str, transfer: Transfer) {
        self.push(event, group, Transfer::TYPE, transfer.clone(), transfer);
    }

    fn write_detour(&mut self, event: &str, group: &'static str, change: impl Fn(&mut Detour)) {
        let mut detour = Detour {
            transfer: self.transfer(),
            stumbles: 0,
            opens_at_receive: 0,
            work_ms: 0,
        };
        change(&mut detour);
        let transfer = detour.transfer.clone();
        self.push(event, group, Detour::TYPE, detour, transfer);
    }

    fn write_bulk(&mut self, event: &str, group: &'static str, transfer: Transfer) {
        self.push(event, group, Bulk::TYPE, Bulk(transfer.clone()), transfer);
    }

    fn push(
        &mut self,
        event: &str,
        group: &'static str,
        event_type: &str,
        data: impl Serialize,
        transfer: Transfer,
    ) {
        let body = json!({
            "specversion": "1.0", "id": event, "source": SOURCE, "type": event_type, "data": data,
        });
        self.letters.push(Letter {
            event: event.to_owned(),
            group,
            body: body.to_string(),
            transfer,
        });
    }
}

/// Writes what a story sends: good ones, two that fail for good, one that fails for now once, one
/// that comes twice, and some that are booked together.
pub(crate) fn letters(story: Story) -> Vec<Letter> {
    let mut desk = Desk::default();
    match story {
        Story::LongWork => desk.write_detour("long", "d", |detour| detour.work_ms = LONG_MS),
        Story::ClosedBank => desk.write_detour("closed", "d", |detour| detour.opens_at_receive = 2),
        Story::Replay => return dead_letters(desk),
        _ => {}
    }
    let refused = |transfer| Transfer {
        refused: true,
        ..transfer
    };
    desk.write("a1", "a", desk.transfer());
    desk.write_detour("stumbles", "b", |detour| detour.stumbles = 1);
    desk.write_bulk("c1", "c", desk.transfer());
    desk.write("refused", "a", refused(desk.transfer()));
    desk.write_bulk("refused-bulk", "c", refused(desk.transfer()));
    desk.write("b1", "b", desk.transfer());
    desk.write_bulk("c2", "c", desk.transfer());
    desk.write("a2", "a", desk.transfer());
    let again = desk.letters[usize::from(desk.letters[0].event != "a1")].clone();
    desk.letters.push(again);
    desk.write("a3", "a", desk.transfer());
    desk.write("b2", "b", desk.transfer());
    desk.write_bulk("c3", "c", desk.transfer());
    desk.letters
}

/// Writes letters that are good by now, and were not when they died.
fn dead_letters(mut desk: Desk) -> Vec<Letter> {
    for (number, group) in ["a", "b", "a", "c", "b", "a", "b", "c"].iter().enumerate() {
        desk.write(&format!("dead-{number}"), group, desk.transfer());
    }
    desk.letters
}

/// Returns the transfers that have to be booked, by event.
pub(crate) fn bookings(letters: &[Letter]) -> BTreeMap<&str, &Transfer> {
    let good = letters.iter().filter(|letter| !letter.transfer.refused);
    good.map(|letter| (letter.event.as_str(), &letter.transfer))
        .collect()
}

/// Returns the bodies that have to be dead, by event.
pub(crate) fn graves(letters: &[Letter]) -> BTreeMap<&str, &str> {
    let refused = letters.iter().filter(|letter| letter.transfer.refused);
    refused
        .map(|letter| (letter.event.as_str(), letter.body.as_str()))
        .collect()
}

/// Returns the events of each group that have to be booked, in the order in which they were sent.
pub(crate) fn order(letters: &[Letter]) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for letter in letters.iter().filter(|letter| !letter.transfer.refused) {
        if known.insert(&letter.event) {
            let group = groups.entry(letter.group).or_default();
            group.push(letter.event.as_str());
        }
    }
    groups
}
