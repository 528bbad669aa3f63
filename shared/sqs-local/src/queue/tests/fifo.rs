//! FIFO queues.

use super::*;

#[test]
fn a_group_is_delivered_in_order_and_alone() {
    let mut stage = Stage::fifo(&[]);
    for body in ["a1", "a2", "a3"] {
        stage.send_to("a", body);
    }
    stage.send_to("b", "b1");
    let first = stage.receive(2);
    assert_eq!(
        first
            .iter()
            .map(|(body, _)| body.as_str())
            .collect::<Vec<_>>(),
        ["a1", "a2"]
    );
    assert_eq!(
        stage.bodies(10),
        ["b1"],
        "a is blocked while any of it is in flight"
    );
    stage.delete(&first[0].1).unwrap();
    assert!(stage.receive(10).is_empty());
    stage.delete(&first[1].1).unwrap();
    assert_eq!(stage.bodies(10), ["a3"]);
}

#[test]
fn what_was_not_deleted_comes_back_in_order() {
    let mut stage = Stage::fifo(&[]);
    for body in ["a1", "a2", "a3"] {
        stage.send_to("a", body);
    }
    assert_eq!(stage.bodies(2), ["a1", "a2"]);
    stage.wait(30);
    assert_eq!(stage.bodies(10), ["a1", "a2", "a3"]);
}

#[test]
fn a_released_tail_waits_for_its_head() {
    let mut stage = Stage::fifo(&[]);
    for body in ["a1", "a2"] {
        stage.send_to("a", body);
    }
    let received = stage.receive(2);
    stage.change(&received[1].1, 0).unwrap();
    stage.change(&received[0].1, 60).unwrap();
    assert!(stage.receive(1).is_empty());
    stage.wait(60);
    assert_eq!(stage.bodies(10), ["a1", "a2"]);
}

#[test]
fn groups_take_turns() {
    let mut stage = Stage::fifo(&[]);
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")] {
        stage.send_to(group, body);
    }
    let (body, handle) = stage.receive(1).remove(0);
    assert_eq!(body, "a1");
    stage.delete(&handle).unwrap();
    assert_eq!(stage.bodies(3), ["b1", "c1", "a2"]);
}

#[test]
fn an_expired_receipt_is_an_error() {
    let mut stage = Stage::fifo(&[]);
    stage.send_to("a", "a1");
    let old = stage.receive_one();
    stage.wait(30);
    assert_eq!(kind(stage.delete(&old)), ErrorKind::InvalidParameterValue);
    let new = stage.receive_one();
    assert_eq!(kind(stage.delete(&old)), ErrorKind::InvalidParameterValue);
    assert_eq!(stage.delete(&new), Ok(Deletion::Deleted));
    assert_eq!(
        stage.delete(&new),
        Ok(Deletion::Gone),
        "what is gone counts as deleted"
    );
}

#[test]
fn the_same_id_is_sent_once_in_five_minutes_even_after_a_delete() {
    let mut stage = Stage::fifo(&[]);
    let first = stage.send_to("a", "x");
    let handle = stage.receive_one();
    stage.delete(&handle).unwrap();
    stage.wait(299);
    let again = stage.send_to("b", "x");
    assert_eq!((again.id, again.sequence), (first.id, first.sequence));
    assert_eq!(stage.counts(), [0, 0, 0]);
    stage.wait(1);
    assert_ne!(stage.send_to("a", "x").id, first.id);
    assert_eq!(stage.counts(), [1, 0, 0]);
}

#[test]
fn deduplication_is_by_group_where_the_scope_is_the_group() {
    let mut stage = Stage::fifo(&[("DeduplicationScope", "messageGroup")]);
    stage.send_to("a", "x");
    stage.send_to("b", "x");
    stage.send_to("b", "x");
    assert_eq!(stage.counts(), [2, 0, 0]);
}

#[test]
fn the_body_stands_in_for_an_id_where_the_queue_says_so() {
    let plain = |body| Draft {
        group: Some("a".into()),
        ..draft(body)
    };
    let mut stage = Stage::fifo(&[("ContentBasedDeduplication", "true")]);
    for body in ["x", "x", "y"] {
        stage.try_send(plain(body)).unwrap();
    }
    assert_eq!(stage.counts(), [2, 0, 0]);
    let id = stage
        .deliveries(1, None)
        .remove(0)
        .content
        .extras()
        .deduplication
        .clone();
    let sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(id.as_deref(), Some(sha256));

    let mut stage = Stage::fifo(&[]);
    assert_eq!(
        kind(stage.try_send(plain("x"))),
        ErrorKind::InvalidParameterValue
    );
}

#[test]
fn a_message_has_a_group_and_no_delay_of_its_own() {
    let mut stage = Stage::fifo(&[]);
    assert_eq!(
        kind(stage.try_send(draft("x"))),
        ErrorKind::MissingParameter
    );
    let late = Draft {
        delay_secs: Some(1),
        ..grouped("a", "x")
    };
    assert_eq!(kind(stage.try_send(late)), ErrorKind::InvalidParameterValue);
}

#[test]
fn a_delayed_head_holds_back_its_group_and_a_new_delay_holds_at_once() {
    let mut stage = Stage::fifo(&[("DelaySeconds", "10")]);
    stage.send_to("a", "a1");
    stage.wait(5);
    stage.send_to("a", "a2");
    assert_eq!(stage.counts(), [0, 0, 2]);
    stage.wait(5);
    assert_eq!(stage.bodies(10), ["a1"]);
    stage.wait(30);
    assert_eq!(stage.counts(), [2, 0, 0]);
    stage.send_to("b", "b1");
    stage.set(&[("DelaySeconds", "0")]);
    assert_eq!(stage.counts(), [3, 0, 0]);
    stage.set(&[("DelaySeconds", "60")]);
    assert_eq!(
        stage.counts(),
        [1, 0, 2],
        "a message that was received is past its delay"
    );
}

#[test]
fn sequence_numbers_grow() {
    let mut stage = Stage::fifo(&[]);
    let numbers: Vec<u128> = ["x", "y", "z"]
        .iter()
        .filter_map(|body| stage.send_to("a", body).sequence)
        .collect();
    assert!(
        numbers.is_sorted_by(|a, b| a < b) && numbers.len() == 3,
        "{numbers:?}"
    );
    assert_eq!(numbers[0].to_string().len(), 20);
}

#[test]
fn a_dead_head_makes_way_and_starts_anew_elsewhere() {
    let mut stage = Stage::fifo(&[("RedrivePolicy", &redrive(1))]);
    let sent = stage.send_to("a", "a1");
    stage.receive_one();
    stage.wait(30);
    stage.send_to("a", "a2");
    assert_eq!(stage.bodies(1), ["a2"]);
    let moved = stage.queue.take_moved().remove(0).unwrap();

    let mut dead = Stage::fifo(&[]);
    dead.now = stage.now;
    dead.queue.take_in(dead.now, moved.content, moved.why);
    let delivery = dead.deliveries(1, None).remove(0);
    let id = sent.id.to_string();
    assert_eq!(
        delivery.content.extras().deduplication.as_deref(),
        Some(id.as_str())
    );
    assert_eq!(delivery.content.sent, dead.now);
}

#[test]
fn too_many_in_flight_is_silence() {
    let mut stage = Stage::fifo(&[]).with_in_flight_max(1);
    stage.send_to("a", "a1");
    stage.send_to("b", "b1");
    assert_eq!(stage.bodies(10), ["a1"]);
    assert!(stage.receive(10).is_empty());
}
