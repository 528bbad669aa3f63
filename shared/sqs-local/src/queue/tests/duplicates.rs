//! Spontaneous duplicates.

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
