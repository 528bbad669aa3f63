//! The producer: sends concurrently, journals what it knows, and sends some again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::deal::body;
use crate::journal::{Answer, Journal};

/// Who sends at the same time: enough for thousands a second beside calls that time out.
const SENDERS: u32 = 8;

/// Messages of one call: what SQS takes.
const BATCH: u32 = 10;

/// How often an event is sent at most: producers give up, too.
const SENDS_MAX: u32 = 4;

/// The share of sends that were not acknowledged and are tried again.
const RESEND_SHARE: f64 = 0.8;

/// Sends all events of a run, spread evenly over a span of time.
#[derive(Debug)]
pub struct Producer {
    /// Whom it sends with.
    pub client: Client,
    /// Where to.
    pub queue_url: String,
    /// What it knows.
    pub journal: Arc<Mutex<Journal>>,
    /// What the transfers are dealt from.
    pub seed: u64,
    /// How many there are.
    pub messages: u32,
    /// How long they are to take.
    pub span: Duration,
}

impl Producer {
    /// Sends everything, or as much as there is time for.
    ///
    /// # Cancellation
    ///
    /// Sends under way stand in the journal as if they had never been made: use the token.
    pub async fn run(&self, stop: &CancellationToken) {
        let next = AtomicU32::new(0);
        let began = Instant::now();
        let senders = (0..SENDERS).map(|sender| {
            let chance = StdRng::seed_from_u64(self.seed.wrapping_add(u64::from(sender)));
            self.send_batches(&next, began, chance, stop)
        });
        join_all(senders).await;
    }

    async fn send_batches(
        &self,
        next: &AtomicU32,
        began: Instant,
        mut chance: StdRng,
        stop: &CancellationToken,
    ) {
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= self.messages {
                return;
            }
            let due = self
                .span
                .mul_f64(f64::from(first) / f64::from(self.messages));
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(began + due) => {}
            }
            let mut numbers: Vec<u32> = (first..self.messages.min(first + BATCH)).collect();
            for _ in 0..SENDS_MAX {
                numbers = self.send(&numbers).await;
                numbers.retain(|_| chance.random_bool(RESEND_SHARE));
                if numbers.is_empty() {
                    break;
                }
            }
        }
    }

    /// Sends once, and returns what was not acknowledged.
    async fn send(&self, numbers: &[u32]) -> Vec<u32> {
        let entries = numbers.iter().map(|number| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body(self.seed, *number))
                .build()
                .expect("it has an id and a body")
        });
        let call = self.client.send_message_batch().queue_url(&self.queue_url);
        let sent = call.set_entries(Some(entries.collect())).send().await;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = Vec::new();
        for number in numbers {
            let answer = answer(&sent, *number);
            journal.record(*number, answer);
            if answer != Answer::Acknowledged {
                open.push(*number);
            }
        }
        open
    }
}

/// Reads what a call says of one of its messages.
fn answer(
    sent: &Result<SendMessageBatchOutput, SdkError<SendMessageBatchError>>,
    number: u32,
) -> Answer {
    let number = number.to_string();
    match sent {
        Ok(output) if output.successful().iter().any(|entry| entry.id == number) => {
            Answer::Acknowledged
        }
        Ok(output) if output.failed().iter().any(|entry| entry.id == number) => Answer::Failed,
        Ok(_) => Answer::Unknown,
        Err(SdkError::ConstructionFailure(_)) => Answer::Failed,
        // Refused before anything was done; after a 5xx nobody can say.
        Err(SdkError::ServiceError(refusal)) if refusal.raw().status().as_u16() < 500 => {
            Answer::Failed
        }
        Err(_) => Answer::Unknown,
    }
}
