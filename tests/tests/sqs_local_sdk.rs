//! What sqs-local promises, seen through the unmodified Rust SDK over HTTP.
//!
//! With `SQS_CONFORMANCE=real` the suite runs against the queue service that the SDK's own
//! variables name (`AWS_REGION`, credentials, `AWS_ENDPOINT_URL_SQS`); it makes queues of its own
//! and deletes them. What needs a lowered limit or a minute of waiting is left out then.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry,
};
use sqs_local::http::Server;
use sqs_local::{Settings, Sqs};

/// A service of its own, or the real one.
struct Stage {
    client: Client,
    server: Option<Server>,
    queues: Vec<String>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// Starts where a real service may stand in.
    async fn with(settings: Settings) -> Self {
        if is_real() {
            let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
            return Self {
                client: Client::new(&config),
                server: None,
                queues: Vec::new(),
            };
        }
        let server = Server::bind("127.0.0.1:0", Sqs::new(settings))
            .await
            .unwrap();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
            .endpoint_url(server.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            server: Some(server),
            queues: Vec::new(),
        }
    }

    async fn queue(&mut self, attributes: &[(QueueAttributeName, &str)]) -> String {
        self.named(&unique("conformance"), attributes).await
    }

    async fn fifo(&mut self, attributes: &[(QueueAttributeName, &str)]) -> String {
        let name = format!("{}.fifo", unique("conformance"));
        let fifo = (QueueAttributeName::FifoQueue, "true");
        let attributes: Vec<_> = attributes.iter().cloned().chain([fifo]).collect();
        self.named(&name, &attributes).await
    }

    async fn named(&mut self, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|(name, value)| (name.clone(), (*value).to_owned()))
            .collect();
        let request = self.client.create_queue().queue_name(name);
        let output = request
            .set_attributes(Some(attributes))
            .send()
            .await
            .unwrap();
        let url = output.queue_url.unwrap();
        self.queues.push(url.clone());
        url
    }

    async fn send(&self, queue: &str, body: &str) -> String {
        let request = self
            .client
            .send_message()
            .queue_url(queue)
            .message_body(body);
        request.send().await.unwrap().message_id.unwrap()
    }

    async fn send_to(&self, queue: &str, group: &str, body: &str) -> String {
        let request = self
            .client
            .send_message()
            .queue_url(queue)
            .message_body(body);
        let request = request
            .message_group_id(group)
            .message_deduplication_id(body);
        request.send().await.unwrap().message_id.unwrap()
    }

    /// Receives, and waits for it as long as SQS waits.
    async fn receive(&self, queue: &str, max: i32) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(queue);
        let request = request.max_number_of_messages(max).wait_time_seconds(20);
        let request = request
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn receive_one(&self, queue: &str) -> Message {
        self.receive(queue, 1)
            .await
            .pop()
            .expect("a message within 20 s")
    }

    /// Receives what is there now.
    async fn poll(&self, queue: &str) -> Vec<Message> {
        let request = self
            .client
            .receive_message()
            .queue_url(queue)
            .wait_time_seconds(0);
        request.send().await.unwrap().messages.unwrap_or_default()
    }

    async fn delete(&self, queue: &str, handle: &str) -> Result<(), String> {
        let request = self
            .client
            .delete_message()
            .queue_url(queue)
            .receipt_handle(handle);
        request.send().await.map(drop).map_err(|error| code(&error))
    }

    async fn change(&self, queue: &str, handle: &str, secs: i32) -> Result<(), String> {
        let request = self.client.change_message_visibility().queue_url(queue);
        let request = request.receipt_handle(handle).visibility_timeout(secs);
        request.send().await.map(drop).map_err(|error| code(&error))
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> Option<String> {
        let request = self.client.get_queue_attributes().queue_url(queue);
        let output = request
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .unwrap();
        output.attributes?.get(&name).cloned()
    }

    async fn arn(&self, queue: &str) -> String {
        self.attribute(queue, QueueAttributeName::QueueArn)
            .await
            .unwrap()
    }

    async fn end(self) {
        if is_real() {
            for queue in &self.queues {
                let _gone = self.client.delete_queue().queue_url(queue).send().await;
            }
        }
        if let Some(server) = self.server {
            server.shutdown().await;
        }
    }
}

fn is_real() -> bool {
    std::env::var("SQS_CONFORMANCE").is_ok_and(|value| value == "real")
}

fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!(
        "{prefix}-{since}-{}",
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.code().unwrap_or_default().to_owned()
}

fn handle(message: &Message) -> &str {
    message.receipt_handle.as_deref().unwrap()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.body.as_deref().unwrap())
        .collect()
}

fn system(message: &Message, name: MessageSystemAttributeName) -> Option<&str> {
    message.attributes.as_ref()?.get(&name).map(String::as_str)
}

fn text(value: &str) -> MessageAttributeValue {
    let builder = MessageAttributeValue::builder().data_type("String");
    builder.string_value(value).build().unwrap()
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder()
        .id(id)
        .message_body(body)
        .build()
        .unwrap()
}

fn redrive(arn: &str, max: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"{max}"}}"#)
}

const VISIBILITY: QueueAttributeName = QueueAttributeName::VisibilityTimeout;

#[tokio::test]
async fn a_message_arrives_with_everything_it_was_sent_with() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let binary = MessageAttributeValue::builder()
        .data_type("Binary")
        .binary_value(Blob::new(b"\0\x01"));
    let trace = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value("Root=1-5759e988");
    let sent = stage
        .client
        .send_message()
        .queue_url(&queue)
        .message_body("grüße\n\"x\" \u{10348}")
        .message_attributes("Hello", text("There"))
        .message_attributes("General", text("Kenobi"))
        .message_attributes("bytes", binary.build().unwrap())
        .message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            trace.build().unwrap(),
        )
        .message_group_id("tenant-7")
        .send()
        .await
        .unwrap();
    let message = stage.receive_one(&queue).await;
    assert_eq!(message.body.as_deref(), Some("grüße\n\"x\" \u{10348}"));
    assert_eq!(message.message_id, sent.message_id);
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    assert_eq!(
        message.md5_of_message_attributes,
        sent.md5_of_message_attributes
    );
    assert!(sent.md5_of_message_system_attributes.is_some());
    let attributes = message.message_attributes.as_ref().unwrap();
    assert_eq!(attributes["Hello"].string_value.as_deref(), Some("There"));
    assert_eq!(
        attributes["bytes"].binary_value.as_ref().unwrap().as_ref(),
        b"\0\x01"
    );
    use MessageSystemAttributeName as Name;
    assert_eq!(system(&message, Name::ApproximateReceiveCount), Some("1"));
    assert_eq!(
        system(&message, Name::AwsTraceHeader),
        Some("Root=1-5759e988")
    );
    assert_eq!(system(&message, Name::MessageGroupId), Some("tenant-7"));
    for name in [
        Name::SentTimestamp,
        Name::ApproximateFirstReceiveTimestamp,
        Name::SenderId,
    ] {
        assert!(system(&message, name.clone()).is_some(), "{name}");
    }
    stage.delete(&queue, handle(&message)).await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn a_receiver_gets_the_attributes_it_asks_for() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[(VISIBILITY, "0")]).await;
    let send = stage
        .client
        .send_message()
        .queue_url(&queue)
        .message_body("msg");
    let send = send
        .message_attributes("Help.Me", text("Me"))
        .message_attributes("Hello", text("There"));
    send.message_attributes("General", text("Kenobi"))
        .send()
        .await
        .unwrap();
    // The digests are of what is returned, not of what was sent.
    for (names, digest) in [
        (&[][..], None),
        (&["Nothing"], None),
        (&["Hello"], Some("a311262e065454b75da111d535b8dacd")),
        (
            &["Hello", "General"],
            Some("fca026605781cb4126a1e9044df24232"),
        ),
        (&["Hel.*"], Some("83fee93c1bcd8b9a5a923ffacdc636c7")),
        (&[".*"], Some("4c360f3fdafd970e05fae2f149d997f5")),
        (&["All"], Some("4c360f3fdafd970e05fae2f149d997f5")),
    ] {
        let request = stage
            .client
            .receive_message()
            .queue_url(&queue)
            .wait_time_seconds(20);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let request = request.set_message_attribute_names(Some(names));
        let message = request.send().await.unwrap().messages.unwrap().remove(0);
        assert_eq!(message.md5_of_message_attributes.as_deref(), digest);
    }
    stage.end().await;
}

#[tokio::test]
async fn deleting_with_an_old_receipt_succeeds_and_deletes_nothing() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[(VISIBILITY, "1")]).await;
    stage.send(&queue, "a").await;
    let first = stage.receive_one(&queue).await;
    let second = stage.receive_one(&queue).await;
    assert_ne!(handle(&first), handle(&second));
    assert_eq!(
        system(&second, MessageSystemAttributeName::ApproximateReceiveCount),
        Some("2")
    );
    stage.delete(&queue, handle(&first)).await.unwrap();
    let third = stage.receive_one(&queue).await;
    stage.delete(&queue, handle(&third)).await.unwrap();
    stage
        .delete(&queue, handle(&third))
        .await
        .expect("what is gone counts as deleted");
    stage.end().await;
}

#[tokio::test]
async fn a_receipt_that_is_none_is_refused() {
    let mut stage = Stage::new().await;
    let (queue, other) = (stage.queue(&[]).await, stage.queue(&[]).await);
    let request = stage
        .client
        .delete_message()
        .queue_url(&queue)
        .receipt_handle("garbage");
    let error = request.send().await.unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_receipt_handle_is_invalid(),
        "{error:?}"
    );
    stage.send(&queue, "a").await;
    let message = stage.receive_one(&queue).await;
    let refused = stage.delete(&other, handle(&message)).await;
    assert_eq!(refused, Err("ReceiptHandleIsInvalid".to_owned()));
    stage.end().await;
}

#[tokio::test]
async fn a_long_poll_ends_as_soon_as_something_arrives() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let start = Instant::now();
    let (messages, _) = tokio::join!(stage.receive(&queue, 10), stage.send(&queue, "a"));
    assert_eq!(bodies(&messages), ["a"]);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    stage.end().await;
}

#[tokio::test]
async fn a_released_message_is_visible_at_once_and_no_more_in_flight() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[(VISIBILITY, "600")]).await;
    stage.send(&queue, "a").await;
    let first = stage.receive_one(&queue).await;
    assert!(stage.poll(&queue).await.is_empty());
    let beyond = stage.change(&queue, handle(&first), 43_200).await;
    // By the time it arrives some of the twelve hours may be gone, and then it is refused.
    assert!(
        beyond.is_ok() || beyond == Err("InvalidParameterValue".to_owned()),
        "{beyond:?}"
    );
    assert!(stage.change(&queue, handle(&first), 43_201).await.is_err());
    stage.change(&queue, handle(&first), 0).await.unwrap();
    let again = stage.client.change_message_visibility().queue_url(&queue);
    let again = again
        .receipt_handle(handle(&first))
        .visibility_timeout(5)
        .send()
        .await;
    assert!(
        again
            .unwrap_err()
            .as_service_error()
            .unwrap()
            .is_message_not_inflight()
    );
    assert_eq!(bodies(&stage.receive(&queue, 1).await), ["a"]);
    stage.end().await;
}

#[tokio::test]
async fn entries_of_a_batch_fail_alone() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let request = stage.client.send_message_batch().queue_url(&queue);
    let request = request
        .entries(entry("good", "a"))
        .entries(entry("bad", "\u{1}"));
    let output = request.send().await.unwrap();
    assert_eq!(output.successful.len(), 1);
    assert_eq!(output.failed.len(), 1);
    let failed = &output.failed[0];
    assert_eq!(
        (failed.id.as_str(), failed.code.as_str()),
        ("bad", "InvalidMessageContents")
    );
    assert!(failed.sender_fault);

    let message = stage.receive_one(&queue).await;
    let delete = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle)
            .build()
            .unwrap()
    };
    let change = ChangeMessageVisibilityBatchRequestEntry::builder().visibility_timeout(9);
    let change = |id: &str, handle: &str| {
        change
            .clone()
            .id(id)
            .receipt_handle(handle)
            .build()
            .unwrap()
    };
    let request = stage
        .client
        .change_message_visibility_batch()
        .queue_url(&queue);
    let request = request
        .entries(change("1", handle(&message)))
        .entries(change("2", "garbage"));
    let output = request.send().await.unwrap();
    assert_eq!((output.successful.len(), output.failed.len()), (1, 1));
    let request = stage.client.delete_message_batch().queue_url(&queue);
    let request = request
        .entries(delete("1", handle(&message)))
        .entries(delete("2", "garbage"));
    let output = request.send().await.unwrap();
    assert_eq!(output.successful[0].id, "1");
    assert_eq!(output.failed[0].code, "ReceiptHandleIsInvalid");
    stage.end().await;
}

#[tokio::test]
async fn a_batch_is_refused_as_a_whole() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let eleven: Vec<_> = (0..11).map(|id| entry(&id.to_string(), "a")).collect();
    let half = "x".repeat(524_288);
    for (entries, expected) in [
        (vec![], "EmptyBatchRequest"),
        (eleven, "TooManyEntriesInBatchRequest"),
        (
            vec![entry("1", "a"), entry("1", "b")],
            "BatchEntryIdsNotDistinct",
        ),
        (vec![entry("a:b", "a")], "InvalidBatchEntryId"),
        (
            vec![entry("1", &half), entry("2", &half), entry("3", "a")],
            "BatchRequestTooLong",
        ),
    ] {
        let request = stage.client.send_message_batch().queue_url(&queue);
        let error = request.set_entries(Some(entries)).send().await.unwrap_err();
        assert!(code(&error).contains(expected), "{expected}: {error:?}");
    }
    assert!(
        stage.poll(&queue).await.is_empty(),
        "nothing of them was sent"
    );
    stage.end().await;
}

#[tokio::test]
async fn a_message_has_at_most_a_mebibyte_and_at_least_a_character() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let mebibyte = "x".repeat(1_048_576);
    stage.send(&queue, &mebibyte).await;
    assert_eq!(
        stage.receive_one(&queue).await.body.unwrap().len(),
        mebibyte.len()
    );
    for body in [format!("{mebibyte}x"), String::new(), "\u{FFFF}".to_owned()] {
        let request = stage
            .client
            .send_message()
            .queue_url(&queue)
            .message_body(body);
        assert!(request.send().await.is_err());
    }
    let full = stage
        .client
        .send_message()
        .queue_url(&queue)
        .message_body(mebibyte);
    assert!(
        full.message_attributes("a", text("b"))
            .send()
            .await
            .is_err(),
        "attributes count"
    );
    stage.end().await;
}

#[tokio::test]
async fn a_message_received_too_often_moves_with_its_id() {
    let mut stage = Stage::new().await;
    let dead = stage.queue(&[]).await;
    let policy = redrive(&stage.arn(&dead).await, 2);
    let attributes = [
        (QueueAttributeName::RedrivePolicy, policy.as_str()),
        (VISIBILITY, "0"),
    ];
    let queue = stage.queue(&attributes).await;
    let id = stage.send(&queue, "a").await;
    for _ in 0..2 {
        assert_eq!(stage.receive(&queue, 1).await.len(), 1);
    }
    assert!(
        stage.poll(&queue).await.is_empty(),
        "it moves at the receive after the second"
    );
    let message = stage.receive_one(&dead).await;
    assert_eq!(message.message_id.as_deref(), Some(id.as_str()));
    let source = system(
        &message,
        MessageSystemAttributeName::DeadLetterQueueSourceArn,
    );
    assert_eq!(source, Some(stage.arn(&queue).await.as_str()));
    let sources = stage
        .client
        .list_dead_letter_source_queues()
        .queue_url(&dead);
    assert_eq!(sources.send().await.unwrap().queue_urls, [queue]);
    stage.end().await;
}

#[tokio::test]
async fn a_fifo_queue_keeps_the_order_of_each_group() {
    let mut stage = Stage::new().await;
    let queue = stage.fifo(&[(VISIBILITY, "600")]).await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        stage.send_to(&queue, group, body).await;
    }
    let first = stage.receive(&queue, 2).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    let second = stage.receive(&queue, 10).await;
    assert_eq!(
        bodies(&second),
        ["b1"],
        "a is blocked while any of it is in flight"
    );
    for message in &first {
        stage.delete(&queue, handle(message)).await.unwrap();
    }
    assert_eq!(bodies(&stage.receive(&queue, 10).await), ["a3"]);
    let number = |message| system(message, MessageSystemAttributeName::SequenceNumber).unwrap();
    assert!(number(&first[0]) < number(&first[1]));
    stage.end().await;
}

#[tokio::test]
async fn a_fifo_queue_takes_the_same_id_once_even_after_a_delete() {
    let mut stage = Stage::new().await;
    let queue = stage.fifo(&[]).await;
    let first = stage.send_to(&queue, "a", "x").await;
    let message = stage.receive_one(&queue).await;
    stage.delete(&queue, handle(&message)).await.unwrap();
    assert_eq!(stage.send_to(&queue, "b", "x").await, first);
    assert!(stage.poll(&queue).await.is_empty());
    let request = stage
        .client
        .send_message()
        .queue_url(&queue)
        .message_body("x");
    assert!(request.clone().send().await.is_err(), "a group is required");
    assert!(
        request.message_group_id("a").send().await.is_err(),
        "and an id"
    );
    stage.end().await;
}

#[tokio::test]
async fn a_fifo_queue_refuses_a_receipt_whose_time_is_over() {
    let mut stage = Stage::new().await;
    let queue = stage.fifo(&[(VISIBILITY, "1")]).await;
    stage.send_to(&queue, "a", "x").await;
    let first = stage.receive_one(&queue).await;
    let second = stage.receive_one(&queue).await;
    assert!(stage.delete(&queue, handle(&first)).await.is_err());
    assert_eq!(second.message_id, first.message_id);
    stage.end().await;
}

#[tokio::test]
async fn queues_are_made_once_and_found_by_name() {
    let mut stage = Stage::new().await;
    let name = unique("named");
    let url = stage.named(&name, &[(VISIBILITY, "7")]).await;
    assert_eq!(stage.named(&name, &[(VISIBILITY, "7")]).await, url);
    assert_eq!(
        stage.named(&name, &[]).await,
        url,
        "only what is named is compared"
    );
    let other = stage
        .client
        .create_queue()
        .queue_name(&name)
        .attributes(VISIBILITY, "8");
    let error = other.send().await.unwrap_err();
    assert!(
        error.as_service_error().unwrap().is_queue_name_exists(),
        "{error:?}"
    );
    let found = stage
        .client
        .get_queue_url()
        .queue_name(&name)
        .send()
        .await
        .unwrap();
    assert_eq!(found.queue_url, Some(url.clone()));
    let error = stage
        .client
        .get_queue_url()
        .queue_name("nowhere")
        .send()
        .await
        .unwrap_err();
    assert!(
        error.as_service_error().unwrap().is_queue_does_not_exist(),
        "{error:?}"
    );

    stage
        .client
        .delete_queue()
        .queue_url(&url)
        .send()
        .await
        .unwrap();
    if !is_real() {
        let error = stage
            .client
            .create_queue()
            .queue_name(&name)
            .send()
            .await
            .unwrap_err();
        assert!(
            error
                .as_service_error()
                .unwrap()
                .is_queue_deleted_recently(),
            "{error:?}"
        );
        let request = stage.client.receive_message().queue_url(&url);
        let error = request.send().await.unwrap_err();
        assert!(
            error.as_service_error().unwrap().is_queue_does_not_exist(),
            "{error:?}"
        );
    }
    stage.end().await;
}

#[tokio::test]
async fn attributes_are_checked_set_and_returned() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let set = |name: &str, value: &str| {
        let request = stage.client.set_queue_attributes().queue_url(&queue);
        request
            .attributes(QueueAttributeName::from(name), value)
            .send()
    };
    for (name, value) in [
        ("VisibilityTimeout", "43201"),
        ("DelaySeconds", "-1"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("ReceiveMessageWaitTimeSeconds", "x"),
    ] {
        let error = set(name, value).await.unwrap_err();
        assert!(
            error
                .as_service_error()
                .unwrap()
                .is_invalid_attribute_value(),
            "{name}: {error:?}"
        );
    }
    for name in ["Unknown", "QueueArn"] {
        let error = set(name, "1").await.unwrap_err();
        assert!(
            error
                .as_service_error()
                .unwrap()
                .is_invalid_attribute_name(),
            "{name}: {error:?}"
        );
    }
    assert!(
        set(
            "RedrivePolicy",
            &redrive("arn:aws:sqs:us-east-1:000000000000:nowhere", 3)
        )
        .await
        .is_err()
    );
    set("MaximumMessageSize", "2048").await.unwrap();
    let size = stage
        .attribute(&queue, QueueAttributeName::MaximumMessageSize)
        .await;
    assert_eq!(size.as_deref(), Some("2048"));
    assert_eq!(
        stage
            .attribute(&queue, QueueAttributeName::DelaySeconds)
            .await
            .as_deref(),
        Some("0")
    );
    stage.end().await;
}

#[tokio::test]
async fn a_purge_empties_the_queue_once_in_a_minute() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    stage.send(&queue, "a").await;
    stage
        .client
        .purge_queue()
        .queue_url(&queue)
        .send()
        .await
        .unwrap();
    let error = stage
        .client
        .purge_queue()
        .queue_url(&queue)
        .send()
        .await
        .unwrap_err();
    assert!(
        error
            .as_service_error()
            .unwrap()
            .is_purge_queue_in_progress(),
        "{error:?}"
    );
    if !is_real() {
        assert!(stage.poll(&queue).await.is_empty());
    }
    stage.end().await;
}

#[tokio::test]
async fn listings_come_in_pages() {
    let mut stage = Stage::new().await;
    let prefix = unique("page");
    for number in 0..3 {
        stage.named(&format!("{prefix}-{number}"), &[]).await;
    }
    if !is_real() {
        let request = stage
            .client
            .list_queues()
            .queue_name_prefix(&prefix)
            .max_results(2);
        let page = request.clone().send().await.unwrap();
        assert_eq!(page.queue_urls.unwrap().len(), 2);
        let page = request
            .set_next_token(page.next_token)
            .send()
            .await
            .unwrap();
        assert_eq!((page.queue_urls.unwrap().len(), page.next_token), (1, None));
    }
    stage.end().await;
}

#[tokio::test]
async fn requests_out_of_range_are_refused() {
    let mut stage = Stage::new().await;
    let queue = stage.queue(&[]).await;
    let receive = || stage.client.receive_message().queue_url(&queue);
    for request in [
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(11),
        receive().wait_time_seconds(21),
        receive().visibility_timeout(43_201),
        receive().message_system_attribute_names("Unknown".into()),
    ] {
        assert!(request.clone().send().await.is_err(), "{request:?}");
    }
    let send = || {
        stage
            .client
            .send_message()
            .queue_url(&queue)
            .message_body("a")
    };
    let many = (0..11).map(|n| (format!("a{n}"), text("x"))).collect();
    for request in [
        send().delay_seconds(901),
        send().message_attributes("aws.x", text("x")),
        send().message_attributes("a..b", text("x")),
        send().message_attributes("a", text("")),
        send().set_message_attributes(Some(many)),
        send().message_deduplication_id("x"),
    ] {
        assert!(request.clone().send().await.is_err(), "{request:?}");
    }
    stage.end().await;
}

#[tokio::test]
async fn too_many_in_flight_is_an_error_for_a_short_poll_and_silence_for_a_long_one() {
    if is_real() {
        return;
    }
    let mut stage = Stage::with(Settings {
        in_flight_max: 2,
        ..Settings::default()
    })
    .await;
    let queue = stage.queue(&[]).await;
    for body in ["a", "b", "c"] {
        stage.send(&queue, body).await;
    }
    assert_eq!(stage.receive(&queue, 10).await.len(), 2);
    let error = stage
        .client
        .receive_message()
        .queue_url(&queue)
        .send()
        .await
        .unwrap_err();
    assert!(
        error.as_service_error().unwrap().is_over_limit(),
        "{error:?}"
    );
    let long = stage
        .client
        .receive_message()
        .queue_url(&queue)
        .wait_time_seconds(1);
    let ReceiveMessageOutput { messages, .. } = long.send().await.unwrap();
    assert_eq!(messages.unwrap_or_default().len(), 0);
    stage.end().await;
}
