//! Spontaneous duplicates.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

impl Stage {
    fn duplicate(&mut self) -> Option<(String, String)> {
        let take = Take {
            max: 1,
            visibility: None,
            attempt: None,
        };
        let delivery = self.queue.duplicate(self.now, &take);
        self.check();
        let delivery = delivery?;
        Some((
            delivery.content.body.to_string(),
            delivery.receipt_handle.to_string(),
        ))
    }
}

#[test]
fn a_message_in_flight_is_handed_out_once_more_with_the_newest_receipt() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let first = stage.receive_one();
    let (body, second) = stage.duplicate().unwrap();
    assert_eq!(body, "a");
    assert_ne!(first, second);
    assert_eq!(stage.counts(), [0, 1, 0]);
    stage.delete(&first).unwrap();
    assert_eq!(stage.counts(), [0, 1, 0], "an old receipt deletes nothing");
    stage.delete(&second).unwrap();
    assert_eq!(stage.counts(), [0, 0, 0]);
}

#[test]
fn a_message_deleted_lately_comes_back_until_it_is_deleted_again() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let first = stage.receive_one();
    stage.delete(&first).unwrap();
    stage.wait(59);
    let (_, second) = stage.duplicate().unwrap();
    assert_eq!(stage.counts(), [0, 1, 0]);
    stage.delete(&first).unwrap();
    assert_eq!(stage.counts(), [0, 1, 0]);
    stage.wait(30);
    assert_eq!(stage.bodies(1), ["a"], "its visibility timeout is over");
    stage.delete(&second).unwrap();
    assert_eq!(stage.counts(), [0, 1, 0], "and that receipt is old again");
}

#[test]
fn what_is_gone_for_a_minute_or_purged_stays_gone() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let receipt = stage.receive_one();
    stage.delete(&receipt).unwrap();
    stage.wait(60);
    assert_eq!(stage.duplicate(), None);
    stage.send("b");
    let receipt = stage.receive_one();
    stage.delete(&receipt).unwrap();
    stage.queue.purge(stage.now, "orders").unwrap();
    assert_eq!(stage.duplicate(), None);
}

#[test]
fn visible_and_delayed_messages_have_no_duplicates_and_fifo_queues_neither() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    stage.try_send(delayed("b", 10)).unwrap();
    assert_eq!(stage.duplicate(), None);
    let mut stage = Stage::fifo(&[]);
    stage.send_to("g", "a");
    stage.receive_one();
    assert_eq!(stage.duplicate(), None);
}

#[test]
fn a_message_that_was_received_too_often_has_no_duplicates() {
    let mut stage = Stage::standard(&[("RedrivePolicy", &redrive(2))]);
    stage.send("a");
    stage.receive_one();
    assert!(stage.duplicate().is_some());
    assert_eq!(stage.duplicate(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Send,
    Receive,
    Duplicate,
    Delete(prop::sample::Index),
    Change(prop::sample::Index, i32),
    Wait(u64),
    Purge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = any::<prop::sample::Index>;
    let step = prop_oneof![
        3 => Just(Step::Send),
        3 => Just(Step::Receive),
        3 => Just(Step::Duplicate),
        4 => which().prop_map(Step::Delete),
        2 => (which(), 0..40).prop_map(|(which, secs)| Step::Change(which, secs)),
        2 => (0..50u64).prop_map(Step::Wait),
        1 => Just(Step::Purge),
    ];
    prop::collection::vec(step, 1..150)
}

proptest! {
    /// The stage checks after each step that every message stands in exactly one place.
    #[test]
    fn duplicates_leave_the_queue_whole_and_every_receipt_is_new(steps in steps()) {
        let mut stage = Stage::standard(&[("RedrivePolicy", &redrive(5))]);
        let mut receipts: Vec<String> = Vec::new();
        for step in steps {
            match step {
                Step::Send => drop(stage.send("a")),
                Step::Receive => receipts.extend(stage.receive(2).into_iter().map(|(_, receipt)| receipt)),
                Step::Duplicate => receipts.extend(stage.duplicate().map(|(_, receipt)| receipt)),
                Step::Delete(which) if !receipts.is_empty() => {
                    stage.delete(which.get::<String>(&receipts)).unwrap();
                }
                Step::Change(which, secs) if !receipts.is_empty() => {
                    let _refused = stage.change(which.get::<String>(&receipts), secs);
                }
                Step::Delete(_) | Step::Change(..) => {}
                Step::Wait(secs) => stage.wait(secs),
                Step::Purge => {
                    let _too_early = stage.queue.purge(stage.now, "orders");
                    stage.check();
                }
            }
        }
        let distinct: BTreeSet<&String> = receipts.iter().collect();
        prop_assert_eq!(distinct.len(), receipts.len());
    }
}
