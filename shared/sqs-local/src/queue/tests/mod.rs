//! Tests of the state machine; time is whatever they say.

mod attempts;
mod duplicates;
mod fifo;
mod moves;
mod polls;
mod properties;
mod standard;

use std::collections::BTreeMap;

use super::settle::Deletion;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::limits::{Millis, SECOND};
use crate::message::Draft;

/// A queue and the time.
struct Stage {
    queue: Queue,
    now: Millis,
}

impl Stage {
    fn standard(attributes: &[(&str, &str)]) -> Self {
        Self::new("orders", attributes)
    }

    fn fifo(attributes: &[(&str, &str)]) -> Self {
        let fifo: Vec<_> = attributes
            .iter()
            .copied()
            .chain([("FifoQueue", "true")])
            .collect();
        Self::new("orders.fifo", &fifo)
    }

    fn new(name: &str, attributes: &[(&str, &str)]) -> Self {
        let name = QueueName::parse(name).unwrap();
        let attributes = QueueAttributes::new(&name, &map(attributes)).unwrap();
        let now = 1_000_000;
        let mut queue = Queue::new(
            now,
            format!("arn:{name}").into(),
            attributes,
            Tags::default(),
            100,
            7,
        );
        queue.set_dead_letter_queue(true);
        Self { queue, now }
    }

    fn with_in_flight_max(mut self, max: usize) -> Self {
        self.queue.in_flight_max = max;
        self
    }

    fn wait(&mut self, secs: u64) {
        self.now += secs * SECOND;
        self.queue.advance(self.now);
        self.check();
    }

    fn send(&mut self, body: &str) -> Sent {
        self.try_send(draft(body)).unwrap()
    }

    fn send_to(&mut self, group: &str, body: &str) -> Sent {
        self.try_send(grouped(group, body)).unwrap()
    }

    fn try_send(&mut self, draft: Draft) -> Result<Sent, Error> {
        let sent = self.queue.send(self.now, draft);
        self.queue.serve(self.now);
        self.check();
        sent
    }

    /// Receives without waiting and returns bodies and handles.
    fn receive(&mut self, max: usize) -> Vec<(String, String)> {
        self.deliveries(max, None)
            .into_iter()
            .map(|delivery| {
                (
                    delivery.content.body.to_string(),
                    delivery.receipt_handle.to_string(),
                )
            })
            .collect()
    }

    fn receive_one(&mut self) -> String {
        self.receive(1).pop().expect("a message is visible").1
    }

    fn bodies(&mut self, max: usize) -> Vec<String> {
        self.receive(max)
            .into_iter()
            .map(|(body, _)| body)
            .collect()
    }

    fn deliveries(&mut self, max: usize, visibility_secs: Option<u64>) -> Vec<Delivery> {
        let visibility = visibility_secs.map(|secs| secs * SECOND);
        self.take(Take {
            max,
            visibility,
            attempt: None,
        })
    }

    fn take(&mut self, take: Take) -> Vec<Delivery> {
        match self.queue.receive(self.now, take, 0) {
            Ok(Received::Now(deliveries)) => {
                self.check();
                deliveries
            }
            other => panic!("a short poll answers at once, not {other:?}"),
        }
    }

    fn delete(&mut self, handle: &str) -> Result<Deletion, Error> {
        let result = self.queue.delete(self.now, handle);
        self.queue.serve(self.now);
        self.check();
        result
    }

    fn change(&mut self, handle: &str, secs: i32) -> Result<(), Error> {
        let result = self.queue.change_visibility(self.now, handle, secs);
        self.queue.serve(self.now);
        self.check();
        result
    }

    fn set(&mut self, attributes: &[(&str, &str)]) {
        let mut changed = self.queue.attributes.clone();
        changed.apply(&map(attributes)).unwrap();
        self.queue.set_attributes(self.now, changed);
        self.check();
    }

    /// Visible, in flight, delayed.
    fn counts(&self) -> [usize; 3] {
        [
            QueueAttribute::ApproximateNumberOfMessages,
            QueueAttribute::ApproximateNumberOfMessagesNotVisible,
            QueueAttribute::ApproximateNumberOfMessagesDelayed,
        ]
        .map(|attribute| self.queue.attribute(attribute).unwrap().parse().unwrap())
    }

    /// Checks that every message stands in exactly one place, and that the counts say so.
    fn check(&self) {
        use super::slab::Place;
        let (mut in_flight, mut delayed) = (0, 0);
        for (slot, message) in self.queue.messages.iter() {
            let hidden = |until| self.queue.hidden.contains(&(until, message.seq, slot));
            match message.place {
                Place::Ready { .. } => {}
                Place::Delayed { until } => {
                    assert!(hidden(until), "{message:?}");
                    delayed += 1;
                }
                Place::InFlight { until, .. } => {
                    assert!(hidden(until), "{message:?}");
                    in_flight += 1;
                }
            }
        }
        assert_eq!(self.queue.in_flight, in_flight);
        assert_eq!(self.queue.delayed, delayed);
        assert_eq!(self.queue.hidden.len(), in_flight + delayed);
        assert_eq!(self.queue.ages.len(), self.queue.messages.len());
    }
}

fn map(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn draft(body: &str) -> Draft {
    Draft::new(body, BTreeMap::new(), &BTreeMap::new(), "tests".into()).unwrap()
}

fn delayed(body: &str, secs: i32) -> Draft {
    Draft {
        delay_secs: Some(secs),
        ..draft(body)
    }
}

/// A message of a group, deduplicated by its body.
fn grouped(group: &str, body: &str) -> Draft {
    Draft {
        group: Some(group.into()),
        deduplication: Some(body.into()),
        ..draft(body)
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind
}

fn redrive(max_receive_count: u32) -> String {
    format!(
        r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":{max_receive_count}}}"#
    )
}
