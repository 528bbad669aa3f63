//! The dead-letter queue, read as anybody would read it.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use serde_json::Value;

use crate::checker::Letter;

/// How long what was read stays invisible: longer than it takes to read everything.
const HIDDEN_SECS: i32 = 3_600;

/// Reads every message once.
///
/// # Errors
///
/// SQS does not answer.
pub async fn read(client: &Client, queue_url: &str) -> anyhow::Result<Vec<Letter>> {
    let mut letters = BTreeMap::new();
    loop {
        let call = client.receive_message().queue_url(queue_url);
        let call = call
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN_SECS)
            .message_attribute_names("All");
        let received = call.send().await?;
        if received.messages().is_empty() {
            return Ok(letters.into_values().collect());
        }
        for message in received.messages() {
            let letter = letter(message);
            letters.insert(letter.copy_id.clone(), letter);
        }
    }
}

fn letter(message: &Message) -> Letter {
    let json = |text: Option<&str>| serde_json::from_str(text.unwrap_or_default()).ok();
    let body: Option<Value> = json(message.body());
    let attributes = message.message_attributes();
    let failure = attributes.and_then(|attributes| attributes.get("fleet_failure"));
    let failure: Option<Value> = json(failure.and_then(|failure| failure.string_value()));
    let text = |object: &Option<Value>, name: &str| {
        let text = object.as_ref().and_then(|object| object[name].as_str());
        text.unwrap_or("unknown").to_owned()
    };
    Letter {
        copy_id: message.message_id().unwrap_or_default().to_owned(),
        event_id: text(&body, "id"),
        reason: text(&failure, "reason"),
    }
}
