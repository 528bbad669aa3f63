//! `ReceiveMessage`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Operation;
use super::received::{ReceivedMessage, Selection};
use super::system_attribute::SystemSelection;
use crate::account::Sqs;
use crate::error::Error;
use crate::limits::{Millis, RECEIVE_MESSAGES_MAX, RECEIVE_WAIT_SECS_MAX, SECOND};
use crate::message::check_group_id;
use crate::queue::{Take, visibility};

/// Receives messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReceiveMessage {
    /// Which queue.
    pub queue_url: String,
    /// How many at most, 1 to 10; 1 by default.
    pub max_number_of_messages: Option<i32>,
    /// Seconds to wait for the first, 0 to 20; `None` is what the queue says.
    pub wait_time_seconds: Option<i32>,
    /// Seconds for which they are invisible; `None` is what the queue says.
    pub visibility_timeout: Option<i32>,
    /// Which system attributes to return, or `All`; the older name of the next.
    pub attribute_names: Vec<String>,
    /// Which system attributes to return, or `All`.
    pub message_system_attribute_names: Vec<String>,
    /// Which attributes to return: names, prefixes followed by `.*`, `All` or `.*`.
    pub message_attribute_names: Vec<String>,
    /// FIFO queues only: names the receive, which for five minutes can be repeated by the name as
    /// long as nothing that it brought was deleted or changed.
    pub receive_request_attempt_id: Option<String>,
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiveMessageOutput {
    /// The messages; often fewer than asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ReceivedMessage>,
}

impl Operation for ReceiveMessage {
    const NAME: &'static str = "ReceiveMessage";
    type Output = ReceiveMessageOutput;

    fn queue(&self) -> Option<&str> {
        Some(&self.queue_url)
    }

    async fn run(self, sqs: &Sqs) -> Result<ReceiveMessageOutput, Error> {
        let take = self.take()?;
        let wait = self.wait()?;
        let names = self
            .attribute_names
            .iter()
            .chain(&self.message_system_attribute_names);
        let system = SystemSelection::parse(names.map(String::as_str))?;
        let selection = Selection::parse(&self.message_attribute_names);
        let deliveries = sqs.receive(&self.queue_url, take, wait).await?;
        for delivery in &deliveries {
            let id = delivery.content.id;
            sqs.note_received(id, delivery.receipt_handle, delivery.receive_count);
        }
        let messages = deliveries
            .into_iter()
            .map(|delivery| ReceivedMessage::new(delivery, system, &selection))
            .collect();
        Ok(ReceiveMessageOutput { messages })
    }
}

impl ReceiveMessage {
    fn take(&self) -> Result<Take, Error> {
        let max = self.max_number_of_messages.unwrap_or(1);
        if !(1..=RECEIVE_MESSAGES_MAX).contains(&max) {
            return Err(Error::invalid_value(
                max,
                "MaxNumberOfMessages",
                "Must be between 1 and 10, if provided.",
            ));
        }
        Ok(Take {
            max: usize::try_from(max).unwrap_or(1),
            visibility: self.visibility_timeout.map(visibility).transpose()?,
            attempt: self.attempt()?,
        })
    }

    fn attempt(&self) -> Result<Option<Arc<str>>, Error> {
        let Some(id) = &self.receive_request_attempt_id else {
            return Ok(None);
        };
        check_group_id("ReceiveRequestAttemptId", id)?;
        Ok(Some(id.as_str().into()))
    }

    fn wait(&self) -> Result<Option<Millis>, Error> {
        let Some(secs) = self.wait_time_seconds else {
            return Ok(None);
        };
        match Millis::try_from(secs) {
            Ok(wait) if secs <= RECEIVE_WAIT_SECS_MAX => Ok(Some(wait * SECOND)),
            _ => Err(Error::invalid_value(
                secs,
                "WaitTimeSeconds",
                "Must be >= 0 and <= 20, if provided.",
            )),
        }
    }
}
