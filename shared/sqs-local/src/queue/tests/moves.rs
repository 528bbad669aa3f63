//! Move tasks.

use super::*;
use crate::queue::moves::Why;

impl Stage {
    /// Takes the steps that are due and returns the bodies that leave with where they go.
    fn steps(&mut self) -> Vec<(String, String)> {
        self.queue.move_due(self.now, |name| name != "gone");
        self.check();
        self.queue
            .take_moved()
            .into_iter()
            .map(|moved| (moved.content.body.to_string(), moved.target))
            .collect()
    }

    fn start(&mut self, destination: &str, rate: u32) -> Result<uuid::Uuid, Error> {
        let destination = format!("arn:aws:sqs:r:a:{destination}").into();
        self.queue
            .start_move(self.now, Some(destination), Some(rate))
    }

    /// The status of the newest task, how many it moved, and of how many.
    fn newest(&self) -> (MoveStatus, usize, usize) {
        let task = self.queue.move_tasks().next().unwrap();
        (task.status, task.moved, task.to_move)
    }
}

fn three() -> Stage {
    let mut stage = Stage::standard(&[]);
    for body in ["a", "b", "c"] {
        stage.send(body);
    }
    stage
}

fn to(target: &str, bodies: &[&str]) -> Vec<(String, String)> {
    bodies
        .iter()
        .map(|body| ((*body).to_owned(), target.to_owned()))
        .collect()
}

#[test]
fn messages_leave_one_by_one_at_the_rate_from_the_start_on() {
    let mut stage = three();
    stage.start("other", 2).unwrap();
    assert_eq!(stage.steps(), to("other", &["a"]));
    assert_eq!(stage.queue.next_move(), Some(stage.now + 500));
    stage.now += 499;
    assert!(stage.steps().is_empty());
    stage.now += 501;
    assert_eq!(stage.steps(), to("other", &["b", "c"]), "caught up with");
    assert_eq!(stage.newest(), (MoveStatus::Completed, 3, 3));
    assert_eq!(stage.queue.next_move(), None);
}

#[test]
fn a_queue_has_one_active_task_and_remembers_ten() {
    let mut stage = three();
    let first = stage.start("other", 1).unwrap();
    assert_eq!(
        kind(stage.start("other", 1)),
        ErrorKind::InvalidParameterValue
    );
    stage.queue.cancel_move(first).unwrap();
    assert_eq!(
        kind(stage.start("other", 1)),
        ErrorKind::InvalidParameterValue,
        "it is about to end, not ended"
    );
    stage.steps();
    for _ in 0..11 {
        stage.start("gone", 1).unwrap();
        stage.steps();
    }
    assert_eq!(stage.queue.move_tasks().count(), 10);
    assert_eq!(
        kind(stage.queue.cancel_move(first)),
        ErrorKind::ResourceNotFound
    );
}

#[test]
fn a_cancelled_task_leaves_the_rest_where_it_is() {
    let mut stage = three();
    let id = stage.start("other", 1).unwrap();
    stage.steps();
    assert_eq!(stage.queue.cancel_move(id), Ok(1));
    assert_eq!(stage.newest().0, MoveStatus::Cancelling);
    assert_eq!(
        kind(stage.queue.cancel_move(id)),
        ErrorKind::UnsupportedOperation
    );
    stage.wait(1);
    assert!(stage.steps().is_empty());
    assert_eq!(stage.newest(), (MoveStatus::Cancelled, 1, 3));
    assert_eq!(stage.bodies(10), ["b", "c"]);
}

#[test]
fn what_comes_later_and_what_is_in_flight_stays() {
    let mut stage = three();
    stage.receive_one();
    stage.start("other", 500).unwrap();
    stage.send("d");
    stage.wait(1);
    assert_eq!(stage.steps(), to("other", &["b", "c"]));
    assert_eq!(stage.newest(), (MoveStatus::Completed, 2, 2));
    assert_eq!(stage.counts(), [1, 1, 0]);
}

#[test]
fn a_task_ends_when_nothing_is_left_that_it_could_move() {
    let mut stage = three();
    stage.start("other", 1).unwrap();
    stage.steps();
    stage.receive(10);
    stage.wait(1);
    assert!(stage.steps().is_empty());
    assert_eq!(stage.newest(), (MoveStatus::Completed, 1, 3));
}

#[test]
fn a_task_fails_at_a_message_that_has_nowhere_to_go_and_the_message_stays() {
    let mut stage = three();
    stage.start("gone", 1).unwrap();
    assert!(stage.steps().is_empty());
    assert_eq!(stage.newest(), (MoveStatus::Failed, 0, 3));
    let failure = |stage: &Stage| stage.queue.move_tasks().next().unwrap().failure;
    assert_eq!(
        failure(&stage),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    assert_eq!(stage.counts(), [3, 0, 0]);

    stage.queue.start_move(stage.now, None, None).unwrap();
    assert!(stage.steps().is_empty());
    assert_eq!(failure(&stage), Some("CouldNotDetermineMessageSource"));
    assert_eq!(stage.counts(), [3, 0, 0]);
    assert_eq!(stage.bodies(10).len(), 3);
}

#[test]
fn a_group_keeps_its_order_and_waits_for_what_is_in_flight() {
    let mut stage = Stage::fifo(&[]);
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2")] {
        stage.send_to(group, body);
    }
    assert_eq!(stage.bodies(1), ["a1"]);
    stage.start("other.fifo", 500).unwrap();
    stage.wait(1);
    assert_eq!(stage.steps(), to("other.fifo", &["b1", "b2"]));
    assert_eq!(stage.newest(), (MoveStatus::Completed, 2, 3));
}

#[test]
fn a_dead_message_goes_back_as_a_new_one() {
    let mut source = Stage::standard(&[("RedrivePolicy", &redrive(1))]);
    let sent = source.send("a");
    source.receive_one();
    source.wait(30);
    assert!(source.receive(1).is_empty());
    let dead = source.queue.take_moved().remove(0).unwrap();

    let mut stage = Stage::standard(&[]);
    stage.now = source.now;
    stage.queue.take_in(stage.now, dead.content, dead.why);
    stage.queue.start_move(stage.now, None, None).unwrap();
    stage.queue.move_due(stage.now, |name| name == "orders");
    let back = stage.queue.take_moved().remove(0).unwrap();
    assert_eq!((back.target.as_str(), back.why), ("orders", Why::Task));

    source.wait(60);
    source.queue.take_in(source.now, back.content, back.why);
    let delivery = source.deliveries(1, None).remove(0);
    assert_ne!(delivery.content.id, sent.id);
    assert_eq!(delivery.content.sent, source.now);
    assert_eq!(delivery.receive_count, 1);
    assert_eq!(delivery.first_received, source.now);
    assert_eq!(delivery.content.extras().moved_from, None);
}

#[test]
fn a_fifo_queue_takes_a_moved_message_once_in_five_minutes() {
    let mut stage = Stage::fifo(&[]);
    stage.send_to("a", "x");
    stage.start("other.fifo", 1).unwrap();
    stage.queue.move_due(stage.now, |_| true);
    let moved = stage.queue.take_moved().remove(0).unwrap();

    let mut other = Stage::fifo(&[]);
    other.send_to("a", "x");
    other.queue.take_in(other.now, moved.content, moved.why);
    assert_eq!(other.counts(), [1, 0, 0]);
}
