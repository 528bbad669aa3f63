//! Who hears of the bookings downstream: not the fleet, and never disturbed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::deal::number_of;
use crate::ledger::POSTED_SOURCE;

/// Polls at the same time; each brings ten messages at most.
const POLLS: usize = 4;

/// How long a poll waits.
const WAIT_SECS: i32 = 1;

/// How long to wait after a call that failed.
const PAUSE: Duration = Duration::from_millis(50);

/// Receives and deletes all that comes, and remembers what it was.
#[derive(Debug)]
pub struct Observer {
    client: Client,
    queue_url: String,
    arrived: Mutex<Arrivals>,
}

/// What came, by the number of the transfer.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    heard: Vec<bool>,
    /// How many different ones came.
    pub events: u64,
    /// How many came that had come before.
    pub repeated: u64,
    /// The start of what is none of ours.
    pub foreign: Vec<String>,
}

impl Observer {
    /// Makes one who has heard nothing yet.
    pub fn new(client: Client, queue_url: String, messages: u32) -> Self {
        let heard = vec![false; messages as usize];
        let arrived = Mutex::new(Arrivals {
            heard,
            ..Arrivals::default()
        });
        Self {
            client,
            queue_url,
            arrived,
        }
    }

    /// Listens until it is told to stop.
    pub async fn run(&self, stop: &CancellationToken) {
        join_all((0..POLLS).map(|_| self.listen(stop))).await;
    }

    /// Returns how many different bookings were heard of.
    pub fn events(&self) -> u64 {
        self.arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events
    }

    /// Returns what was heard.
    pub fn arrivals(&self) -> Arrivals {
        let arrived = self.arrived.lock();
        arrived.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn listen(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let call = self.client.receive_message().queue_url(&self.queue_url);
            let call = call.max_number_of_messages(10).wait_time_seconds(WAIT_SECS);
            match call.send().await {
                Ok(received) if !received.messages().is_empty() => {
                    self.remember(received.messages());
                    self.delete(received.messages()).await;
                }
                Ok(_) => {}
                Err(_) => sleep_until(Instant::now() + PAUSE).await,
            }
        }
    }

    fn remember(&self, messages: &[Message]) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            arrived.note(message.body().unwrap_or_default());
        }
    }

    /// What cannot be deleted comes again, and is known then.
    async fn delete(&self, messages: &[Message]) {
        let entries = messages.iter().enumerate().map(|(at, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .build()
                .expect("it has an id and a receipt")
        });
        let call = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url);
        let _comes_again = call.set_entries(Some(entries.collect())).send().await;
    }
}

impl Arrivals {
    /// Returns whether a booking was heard of.
    pub fn has(&self, number: u32) -> bool {
        self.heard.get(number as usize).is_some_and(|heard| *heard)
    }

    fn note(&mut self, body: &str) {
        let heard = read(body).and_then(|number| self.heard.get_mut(number as usize));
        match heard {
            None => self.foreign.push(body.chars().take(200).collect()),
            Some(true) => self.repeated += 1,
            Some(heard) => {
                *heard = true;
                self.events += 1;
            }
        }
    }
}

/// Returns the number of the transfer whose booking a message tells of.
fn read(body: &str) -> Option<u32> {
    let event: Value = serde_json::from_str(body).ok()?;
    let transfer = event["data"]["transfer"].as_str()?;
    let is_ours = event["source"] == POSTED_SOURCE && event["id"] == format!("posted-{transfer}");
    is_ours.then(|| number_of(transfer)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn posted(id: &str, transfer: &str) -> String {
        json!({ "source": POSTED_SOURCE, "id": id, "data": { "transfer": transfer } }).to_string()
    }

    #[test]
    fn arrivals_tell_new_from_repeated_from_foreign() {
        let mut arrivals = Arrivals {
            heard: vec![false; 3],
            ..Arrivals::default()
        };
        arrivals.note(&posted("posted-t-1", "t-1"));
        arrivals.note(&posted("posted-t-1", "t-1"));
        arrivals.note(&posted("posted-t-2", "t-1"));
        arrivals.note(&posted("posted-t-3", "t-3"));
        arrivals.note("no JSON");
        assert!(arrivals.has(1) && !arrivals.has(0) && !arrivals.has(3));
        assert_eq!((arrivals.events, arrivals.repeated), (1, 1));
        assert_eq!(arrivals.foreign.len(), 3);
    }
}
