//! Receives that are repeated by their id.

use super::*;

/// Receives with an id and returns bodies, handles and receive counts.
fn attempt(stage: &mut Stage, id: &str) -> Vec<(String, String, u32)> {
    let take = Take {
        max: 10,
        visibility: None,
        attempt: Some(id.into()),
    };
    stage
        .take(take)
        .into_iter()
        .map(|delivery| {
            (
                delivery.content.body.to_string(),
                delivery.receipt_handle.to_string(),
                delivery.receive_count,
            )
        })
        .collect()
}

fn stage() -> Stage {
    let mut stage = Stage::fifo(&[]);
    for body in ["a1", "a2"] {
        stage.send_to("a", body);
    }
    stage
}

#[test]
fn the_same_id_brings_the_same_messages_and_receipts_and_hides_them_anew() {
    let mut stage = stage();
    let first = attempt(&mut stage, "x");
    assert_eq!(first.len(), 2);
    stage.wait(20);
    assert_eq!(attempt(&mut stage, "x"), first);
    stage.wait(29);
    assert!(stage.receive(10).is_empty(), "30 s from the repeat");
    assert_eq!(stage.delete(&first[0].1), Ok(Deletion::Deleted));
    stage.wait(1);
    assert_eq!(stage.bodies(10), ["a2"]);
}

#[test]
fn a_repeat_for_fewer_brings_the_first_of_them() {
    let mut stage = stage();
    attempt(&mut stage, "x");
    let take = Take {
        max: 1,
        attempt: Some("x".into()),
        ..Take::default()
    };
    let again = stage.take(take);
    assert_eq!(again.len(), 1);
    assert_eq!(&*again[0].content.body, "a1");
}

#[test]
fn another_id_and_none_bring_nothing_of_what_is_in_flight() {
    let mut stage = stage();
    attempt(&mut stage, "x");
    assert!(attempt(&mut stage, "y").is_empty());
    assert!(stage.receive(10).is_empty());
}

#[test]
fn a_deleted_or_changed_message_ends_the_repeat() {
    let mut deleted = stage();
    let first = attempt(&mut deleted, "x");
    deleted.delete(&first[1].1).unwrap();
    assert!(attempt(&mut deleted, "x").is_empty());

    let mut changed = stage();
    let first = attempt(&mut changed, "x");
    changed.change(&first[1].1, 30).unwrap();
    assert!(attempt(&mut changed, "x").is_empty());
}

#[test]
fn a_message_that_came_back_is_received_anew() {
    let mut stage = stage();
    let first = attempt(&mut stage, "x");
    stage.wait(30);
    let again = attempt(&mut stage, "x");
    let counts: Vec<u32> = again.iter().map(|(.., count)| *count).collect();
    assert_eq!(counts, [2, 2]);
    assert_ne!(again[0].1, first[0].1);
    assert_eq!(
        attempt(&mut stage, "x"),
        again,
        "the id is that receive's now"
    );
}

#[test]
fn an_id_is_good_for_five_minutes_from_the_receive() {
    let mut stage = Stage::fifo(&[("VisibilityTimeout", "600")]);
    stage.send_to("a", "a1");
    let first = attempt(&mut stage, "x");
    stage.wait(299);
    assert_eq!(attempt(&mut stage, "x"), first);
    stage.wait(1);
    assert!(attempt(&mut stage, "x").is_empty());
}

#[test]
fn an_empty_receive_is_not_remembered() {
    let mut stage = Stage::fifo(&[]);
    assert!(attempt(&mut stage, "x").is_empty());
    stage.send_to("a", "a1");
    assert_eq!(attempt(&mut stage, "x").len(), 1);
}

#[test]
fn what_a_waiting_receive_got_can_be_had_again() {
    let mut stage = Stage::fifo(&[]);
    let take = Take {
        max: 10,
        visibility: None,
        attempt: Some("x".into()),
    };
    let received = stage.queue.receive(stage.now, take, 20 * SECOND);
    let Ok(Received::Waiting { answer, .. }) = received else {
        panic!("there is nothing to receive: {received:?}");
    };
    drop(answer);
    stage.send_to("a", "a1");
    assert!(stage.receive(10).is_empty(), "in flight, and nobody has it");
    assert_eq!(attempt(&mut stage, "x").len(), 1);
}

#[test]
fn a_standard_queue_takes_no_id() {
    let mut stage = Stage::standard(&[]);
    let take = Take {
        attempt: Some("x".into()),
        ..Take::default()
    };
    let result = stage.queue.receive(stage.now, take, 0);
    assert_eq!(kind(result), ErrorKind::InvalidParameterValue);
}
