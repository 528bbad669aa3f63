//! Receives that wait.

use tokio::sync::oneshot;

use super::*;

fn poll(stage: &mut Stage, max: usize, secs: u64) -> oneshot::Receiver<Vec<Delivery>> {
    let take = Take {
        max,
        visibility: None,
        attempt: None,
    };
    match stage.queue.receive(stage.now, take, secs * SECOND) {
        Ok(Received::Waiting { answer, .. }) => answer,
        other => panic!("nothing is visible, so it waits, and does not get {other:?}"),
    }
}

fn bodies(answer: &mut oneshot::Receiver<Vec<Delivery>>) -> Option<Vec<String>> {
    let deliveries = answer.try_recv().ok()?;
    Some(
        deliveries
            .iter()
            .map(|delivery| delivery.content.body.to_string())
            .collect(),
    )
}

#[test]
fn those_who_wait_are_served_in_turn() {
    let mut stage = Stage::standard(&[]);
    let (mut first, mut second) = (poll(&mut stage, 10, 20), poll(&mut stage, 10, 20));
    stage.send("a");
    assert_eq!(bodies(&mut first).as_deref(), Some(&["a".to_owned()][..]));
    assert_eq!(bodies(&mut second), None);
    stage.send("b");
    assert_eq!(bodies(&mut second).as_deref(), Some(&["b".to_owned()][..]));
}

#[test]
fn a_wait_ends_when_a_message_comes_back() {
    let mut stage = Stage::standard(&[("VisibilityTimeout", "10")]);
    stage.send("a");
    let handle = stage.receive_one();
    let mut answer = poll(&mut stage, 1, 20);
    stage.change(&handle, 0).unwrap();
    assert!(bodies(&mut answer).is_some(), "made visible");
    let mut answer = poll(&mut stage, 1, 20);
    stage.wait(9);
    assert!(bodies(&mut answer).is_none());
    stage.wait(1);
    assert!(bodies(&mut answer).is_some(), "its time was over");
}

#[test]
fn what_was_missed_happens_in_its_order() {
    let mut stage = Stage::standard(&[("VisibilityTimeout", "10")]);
    stage.try_send(delayed("late", 15)).unwrap();
    let (mut early, mut patient) = (poll(&mut stage, 1, 14), poll(&mut stage, 1, 16));
    // Nobody looked for a minute: the early poll ended with nothing, the patient one had the
    // message at 15 s, and its timeout ended at 25 s.
    stage.wait(60);
    assert_eq!(bodies(&mut early), Some(Vec::new()));
    assert!(bodies(&mut patient).is_some());
    assert_eq!(stage.counts(), [1, 0, 0]);
    assert_eq!(stage.deliveries(1, None)[0].receive_count, 2);
}

#[test]
fn a_wait_that_is_over_brings_nothing_however_late_its_client_looks() {
    let mut stage = Stage::standard(&[]);
    let mut answer = poll(&mut stage, 1, 5);
    stage.wait(5);
    // Somebody else is served in the moment in which it ends.
    stage.send("a");
    assert_eq!(bodies(&mut answer), Some(Vec::new()));
    assert_eq!(stage.counts(), [1, 0, 0]);
}

#[test]
fn a_client_that_went_away_still_gets_its_message() {
    let mut stage = Stage::standard(&[]);
    drop(poll(&mut stage, 1, 20));
    stage.send("a");
    assert_eq!(stage.counts(), [0, 1, 0], "in flight, and nobody has it");
    stage.wait(30);
    assert_eq!(stage.bodies(1), ["a"]);
}

#[test]
fn a_wait_that_is_over_takes_nothing() {
    let mut stage = Stage::standard(&[]);
    drop(poll(&mut stage, 1, 5));
    stage.wait(5);
    stage.send("a");
    assert_eq!(stage.counts(), [1, 0, 0]);
    let ticket = match stage.queue.receive(
        stage.now,
        Take {
            max: 0,
            visibility: None,
            attempt: None,
        },
        1,
    ) {
        Ok(Received::Waiting { ticket, .. }) => ticket,
        other => panic!("{other:?}"),
    };
    stage.queue.leave(ticket);
    assert!(!stage.queue.has_polls());
}
