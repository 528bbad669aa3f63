//! What the queues say of themselves.

use fleet::queue::{ClientOptions, Queue as _, QueueAttributes, QueueError, Sqs, SqsQueue};
use fleet::service::config::ConsumerConfig;
use serde::Serialize;

/// One queue and its dead-letter queue at one moment, beside the settings of its consumer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct QueueState {
    pub(crate) consumer: String,
    pub(crate) queue: String,
    pub(crate) backlog: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
    pub(crate) dead_letter_queue: Option<String>,
    /// Visible and in flight, so that looking into it does not lower it.
    pub(crate) dead_letters: Option<u64>,
    pub(crate) visibility_timeout_secs: u64,
    pub(crate) retention_secs: u64,
    pub(crate) max_receive_count: Option<u32>,
    pub(crate) concurrency: usize,
    pub(crate) max_attempts: u32,
    pub(crate) handler_timeout_secs: f64,
    pub(crate) receive_wait_secs: f64,
}

/// Asks one consumer's queue, and its dead-letter queue, as often as somebody wants to know.
pub(crate) struct Surveyor {
    sqs: Sqs,
    consumer: ConsumerConfig,
    queue: SqsQueue,
    /// The dead-letter queue with its name: another redrive policy may name another.
    dead_letters: Option<(String, SqsQueue)>,
}

impl Surveyor {
    /// Makes one; its connections are opened at the first question and kept.
    pub(crate) fn new(sqs: &Sqs, consumer: &ConsumerConfig) -> Self {
        Self {
            sqs: sqs.clone(),
            consumer: consumer.clone(),
            queue: sqs.queue(consumer.queue_url.as_str(), ClientOptions::calling()),
            dead_letters: None,
        }
    }

    /// Returns the name of the queue.
    pub(crate) fn queue(&self) -> &str {
        self.queue.name()
    }

    /// Returns the name of the consumer.
    pub(crate) fn consumer(&self) -> &str {
        &self.consumer.name
    }

    /// Asks; what is wrong with the dead-letter queue alone is told beside the rest.
    pub(crate) async fn ask(&mut self) -> Result<(QueueState, Option<String>), String> {
        let asked = self.queue.attributes().await;
        let attributes = asked.map_err(|error| trouble(self.queue.name(), error))?;
        let (dead_letters, wrong) = match attributes.dead_letter_queue.clone() {
            None => (None, None),
            Some(name) => match self.count_dead(&name).await {
                Ok(depth) => (Some(depth), None),
                Err(error) => (None, Some(trouble(&name, error))),
            },
        };
        Ok((self.state(attributes, dead_letters), wrong))
    }

    /// Counts what a dead-letter queue holds.
    async fn count_dead(&mut self, name: &str) -> Result<u64, QueueError> {
        let known = self.dead_letters.take();
        let queue = match known.filter(|(known, _)| known == name) {
            Some((_, queue)) => queue,
            None => {
                let url = self.sqs.url_of(name).await?;
                self.sqs.queue(&url, ClientOptions::calling())
            }
        };
        // One that fails is looked up again: it may have been made anew.
        let counts = queue.attributes().await?;
        self.dead_letters = Some((name.to_owned(), queue));
        Ok(counts.visible + counts.in_flight)
    }

    fn state(&self, queue: QueueAttributes, dead_letters: Option<u64>) -> QueueState {
        let consumer = &self.consumer;
        QueueState {
            consumer: consumer.name.clone(),
            queue: self.queue.name().to_owned(),
            backlog: queue.visible,
            in_flight: queue.in_flight,
            delayed: queue.delayed,
            dead_letter_queue: queue.dead_letter_queue,
            dead_letters,
            visibility_timeout_secs: queue.visibility_timeout.as_secs(),
            retention_secs: queue.retention.as_secs(),
            max_receive_count: queue.max_receive_count,
            concurrency: consumer.concurrency,
            max_attempts: consumer.max_attempts,
            handler_timeout_secs: consumer.handler_timeout.as_secs_f64(),
            receive_wait_secs: consumer.receive_wait.as_secs_f64(),
        }
    }
}

fn trouble(queue: &str, error: QueueError) -> String {
    format!("queue {queue}: {:#}", anyhow::Error::new(error))
}
