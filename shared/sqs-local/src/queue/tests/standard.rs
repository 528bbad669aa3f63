//! Standard queues.

use super::*;

#[test]
fn a_message_is_invisible_for_the_visibility_timeout() {
    let mut stage = Stage::standard(&[("VisibilityTimeout", "30")]);
    stage.send("a");
    let first = stage.receive_one();
    assert_eq!(stage.counts(), [0, 1, 0]);
    stage.wait(29);
    assert!(stage.receive(1).is_empty());
    stage.wait(1);
    let second = stage.receive_one();
    assert_ne!(first, second, "every receive has a receipt of its own");
}

#[test]
fn an_old_receipt_succeeds_and_deletes_nothing() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let old = stage.receive_one();
    stage.wait(30);
    let new = stage.receive_one();
    assert_eq!(stage.delete(&old), Ok(Deletion::Stale));
    assert_eq!(stage.counts(), [0, 1, 0], "the message is still there");
    assert_eq!(stage.delete(&new), Ok(Deletion::Deleted));
    assert_eq!(stage.counts(), [0, 0, 0]);
    assert_eq!(
        stage.delete(&new),
        Ok(Deletion::Gone),
        "what is gone counts as deleted"
    );
}

#[test]
fn the_newest_receipt_deletes_even_after_its_time() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let handle = stage.receive_one();
    stage.wait(31);
    assert_eq!(stage.counts(), [1, 0, 0]);
    assert_eq!(stage.delete(&handle), Ok(Deletion::Deleted));
    assert_eq!(stage.counts(), [0, 0, 0]);
}

#[test]
fn a_receipt_of_another_queue_is_invalid() {
    let mut stage = Stage::standard(&[]);
    let mut other = Stage::standard(&[]);
    other.queue.key ^= 1;
    stage.send("a");
    let handle = stage.receive_one();
    assert_eq!(
        kind(other.delete(&handle)),
        ErrorKind::ReceiptHandleIsInvalid
    );
    assert_eq!(
        kind(stage.delete("garbage")),
        ErrorKind::ReceiptHandleIsInvalid
    );
    assert_eq!(
        kind(stage.change("garbage", 1)),
        ErrorKind::ReceiptHandleIsInvalid
    );
}

#[test]
fn visibility_counts_from_each_change_and_is_not_remembered() {
    let mut stage = Stage::standard(&[("VisibilityTimeout", "30")]);
    stage.send("a");
    let handle = stage.receive_one();
    stage.wait(20);
    stage.change(&handle, 60).unwrap();
    stage.wait(59);
    assert_eq!(stage.counts(), [0, 1, 0]);
    stage.wait(1);
    assert_eq!(stage.counts(), [1, 0, 0]);
    stage.receive_one();
    stage.wait(30);
    assert_eq!(
        stage.counts(),
        [1, 0, 0],
        "the next receive has the queue's timeout again"
    );
}

#[test]
fn visibility_ends_twelve_hours_after_the_receive() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let handle = stage.receive_one();
    for (secs, ok) in [
        (43_200, true),
        (43_201, false),
        (-1, false),
        (i32::MAX, false),
    ] {
        assert_eq!(stage.change(&handle, secs).is_ok(), ok, "{secs}");
    }
    stage.wait(3_600);
    assert_eq!(
        kind(stage.change(&handle, 39_601)),
        ErrorKind::InvalidParameterValue
    );
    assert_eq!(
        stage.change(&handle, 39_600),
        Ok(()),
        "what is left is allowed"
    );
}

#[test]
fn only_the_visibility_of_a_message_in_flight_changes() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    let old = stage.receive_one();
    stage.change(&old, 0).unwrap();
    assert_eq!(stage.counts(), [1, 0, 0], "0 makes it visible at once");
    assert_eq!(kind(stage.change(&old, 10)), ErrorKind::MessageNotInflight);
    let new = stage.receive_one();
    assert_eq!(kind(stage.change(&old, 10)), ErrorKind::MessageNotInflight);
    stage.delete(&new).unwrap();
    assert_eq!(
        kind(stage.change(&new, 10)),
        ErrorKind::InvalidParameterValue
    );
}

#[test]
fn a_receive_may_set_a_visibility_of_its_own() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    assert_eq!(stage.deliveries(1, Some(5)).len(), 1);
    stage.wait(5);
    assert_eq!(stage.deliveries(1, Some(0)).len(), 1);
    stage.wait(0);
    assert_eq!(stage.counts(), [1, 0, 0], "0 leaves it visible");
}

#[test]
fn a_message_waits_out_the_delay_of_the_queue_or_its_own() {
    let mut stage = Stage::standard(&[("DelaySeconds", "10")]);
    stage.send("queue");
    stage.try_send(delayed("none", 0)).unwrap();
    stage.try_send(delayed("own", 900)).unwrap();
    assert_eq!(stage.counts(), [1, 0, 2]);
    assert_eq!(stage.bodies(10), ["none"]);
    stage.wait(10);
    assert_eq!(stage.bodies(10), ["queue"]);
    for secs in [-1, 901] {
        let result = stage.try_send(delayed("a", secs));
        assert_eq!(kind(result), ErrorKind::InvalidParameterValue, "{secs}");
    }
    stage.set(&[("DelaySeconds", "0")]);
    assert_eq!(stage.counts()[2], 1, "a new delay is for new messages");
}

#[test]
fn a_message_expires_wherever_it_stands() {
    let mut stage = Stage::standard(&[("MessageRetentionPeriod", "60")]);
    stage.send("in flight");
    let handle = stage
        .deliveries(1, Some(3_600))
        .remove(0)
        .receipt_handle
        .to_string();
    stage.send("visible");
    stage.try_send(delayed("delayed", 900)).unwrap();
    assert_eq!(stage.counts(), [1, 1, 1]);
    stage.wait(59);
    assert_eq!(stage.counts(), [1, 1, 1]);
    stage.wait(1);
    assert_eq!(stage.counts(), [0, 0, 0]);
    assert_eq!(stage.delete(&handle), Ok(Deletion::Gone));
}

#[test]
fn a_shorter_retention_holds_for_what_is_there() {
    let mut stage = Stage::standard(&[]);
    stage.send("a");
    stage.wait(120);
    stage.set(&[("MessageRetentionPeriod", "60")]);
    assert_eq!(stage.counts(), [0, 0, 0]);
}

#[test]
fn too_many_in_flight_is_an_error_for_a_short_poll_and_silence_for_a_long_one() {
    let mut stage = Stage::standard(&[]).with_in_flight_max(2);
    for body in ["a", "b", "c"] {
        stage.send(body);
    }
    let received = stage.receive(10);
    assert_eq!(received.len(), 2, "a receive stops at the cap");
    let take = Take {
        max: 1,
        visibility: None,
        attempt: None,
    };
    assert_eq!(
        kind(stage.queue.receive(stage.now, take.clone(), 0)),
        ErrorKind::OverLimit
    );
    let Ok(Received::Waiting { mut answer, .. }) = stage.queue.receive(stage.now, take, 5_000)
    else {
        panic!("a long poll waits");
    };
    stage.wait(1);
    assert!(
        answer.try_recv().is_err(),
        "nothing comes, although a message is visible"
    );
    stage.delete(&received[0].1).unwrap();
    assert_eq!(answer.try_recv().unwrap().len(), 1, "a delete makes room");
}

#[test]
fn a_message_moves_at_the_receive_after_the_last_one_allowed() {
    let mut stage = Stage::standard(&[("RedrivePolicy", &redrive(2))]);
    let sent = stage.send("a");
    let at = stage.now;
    for _ in 0..2 {
        assert_eq!(stage.bodies(1), ["a"]);
        stage.wait(30);
        assert!(
            stage.queue.take_moved().is_empty(),
            "time alone moves nothing"
        );
    }
    assert_eq!(stage.counts(), [1, 0, 0]);
    assert!(stage.receive(1).is_empty());
    let moved = stage.queue.take_moved().remove(0).unwrap();
    assert_eq!((moved.target.as_str(), moved.content.id), ("dead", sent.id));
    assert_eq!(moved.content.sent, at, "its age goes on");

    let mut dead = Stage::standard(&[]);
    dead.now = stage.now;
    dead.queue.take_in(dead.now, moved.content, moved.why);
    let delivery = dead.deliveries(1, None).remove(0);
    assert_eq!(delivery.receive_count, 3, "receives of all queues");
    assert_eq!(delivery.first_received, at);
    assert_eq!(
        delivery.content.extras().moved_from.as_deref(),
        Some("arn:orders")
    );
}

#[test]
fn dead_messages_do_not_use_up_a_receive() {
    let mut stage = Stage::standard(&[("RedrivePolicy", &redrive(1))]);
    stage.send("dead");
    stage.receive_one();
    stage.wait(30);
    stage.send("alive");
    assert_eq!(stage.bodies(1), ["alive"]);
    assert_eq!(stage.queue.take_moved().len(), 1);
}

#[test]
fn without_a_dead_letter_queue_delivery_goes_on() {
    let mut stage = Stage::standard(&[("RedrivePolicy", &redrive(1))]);
    stage.queue.set_dead_letter_queue(false);
    stage.send("a");
    for _ in 0..3 {
        assert_eq!(stage.bodies(1), ["a"]);
        stage.wait(30);
    }
}

#[test]
fn a_purge_takes_everything_once_in_a_minute() {
    let mut stage = Stage::standard(&[]);
    stage.send("in flight");
    let handle = stage.receive_one();
    stage.send("visible");
    stage.try_send(delayed("delayed", 9)).unwrap();
    stage.queue.purge(stage.now, "orders").unwrap();
    assert_eq!(stage.counts(), [0, 0, 0]);
    assert_eq!(stage.delete(&handle), Ok(Deletion::Gone));
    stage.send("next");
    stage.wait(59);
    let again = stage.queue.purge(stage.now, "orders");
    assert_eq!(kind(again), ErrorKind::PurgeQueueInProgress);
    assert_eq!(stage.counts(), [1, 0, 0]);
    stage.wait(1);
    stage.queue.purge(stage.now, "orders").unwrap();
}

#[test]
fn a_message_fits_the_queue() {
    let mut stage = Stage::standard(&[("MaximumMessageSize", "1024")]);
    stage.send(&"x".repeat(1_024));
    let result = stage.try_send(draft(&"x".repeat(1_025)));
    assert_eq!(kind(result), ErrorKind::InvalidParameterValue);
}

#[test]
fn a_standard_queue_takes_a_group_and_no_deduplication_id() {
    let mut stage = Stage::standard(&[]);
    let tenant = Draft {
        group: Some("tenant".into()),
        ..draft("a")
    };
    assert!(stage.try_send(tenant).is_ok());
    let delivery = stage.deliveries(1, None).remove(0);
    assert_eq!(delivery.content.group.as_deref(), Some("tenant"));
    assert_eq!(
        kind(stage.try_send(grouped("g", "a"))),
        ErrorKind::InvalidParameterValue
    );
}
