//! Move tasks, tags and repeated receives of sqs-local, seen through the unmodified Rust SDK.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::{ListMessageMoveTasksResultEntry, Message, QueueAttributeName};
use sqs_local::Sqs;
use sqs_local::http::Server;

struct Stage {
    client: Client,
    server: Server,
}

impl Stage {
    async fn new() -> Self {
        let server = Server::bind("127.0.0.1:0", Sqs::default()).await.unwrap();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
            .endpoint_url(server.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            server,
        }
    }

    async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, String)]) -> String {
        let mut request = self.client.create_queue().queue_name(name);
        for (name, value) in attributes {
            request = request.attributes(name.clone(), value);
        }
        request.send().await.unwrap().queue_url.unwrap()
    }

    /// Makes a queue that gives up a message after one receive, and its dead-letter queue.
    async fn pair(&self) -> (String, String) {
        let dead = self.queue("orders-dlq", &[]).await;
        let policy = format!(
            r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#,
            arn("orders-dlq")
        );
        let attributes = [(QueueAttributeName::RedrivePolicy, policy)];
        (self.queue("orders", &attributes).await, dead)
    }

    async fn send(&self, queue: &str, body: &str) -> String {
        let request = self.client.send_message().queue_url(queue);
        let sent = request.message_body(body).send().await.unwrap();
        sent.message_id.unwrap()
    }

    async fn receive(&self, queue: &str, wait_secs: i32) -> Vec<Message> {
        let request = self.client.receive_message().queue_url(queue);
        let request = request.max_number_of_messages(10).visibility_timeout(0);
        let received = request.wait_time_seconds(wait_secs).send().await.unwrap();
        received.messages.unwrap_or_default()
    }

    async fn tasks(&self) -> Vec<ListMessageMoveTasksResultEntry> {
        let request = self.client.list_message_move_tasks().max_results(10);
        let listed = request.source_arn(arn("orders-dlq")).send().await.unwrap();
        listed.results.unwrap_or_default()
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{}:{name}", Sqs::ACCOUNT)
}

#[tokio::test]
async fn a_dead_message_goes_back_to_its_queue_with_a_new_id() {
    let stage = Stage::new().await;
    let (orders, dead) = stage.pair().await;
    let id = stage.send(&orders, "a").await;
    assert_eq!(stage.receive(&orders, 0).await.len(), 1);
    assert!(stage.receive(&orders, 0).await.is_empty());
    assert_eq!(stage.receive(&dead, 0).await[0].message_id(), Some(&*id));

    let request = stage.client.start_message_move_task();
    let request = request.source_arn(arn("orders-dlq"));
    assert!(request.send().await.unwrap().task_handle.is_some());
    let back = stage.receive(&orders, 20).await;
    assert_eq!(back[0].body(), Some("a"));
    assert_ne!(back[0].message_id(), Some(&*id));

    let task = stage.tasks().await.remove(0);
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.task_handle(), None);
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    assert_eq!(task.approximate_number_of_messages_to_move(), Some(1));
    assert_eq!(task.destination_arn(), None);
    assert!(task.started_timestamp() > 1_600_000_000_000, "milliseconds");
    stage.server.shutdown().await;
}

#[tokio::test]
async fn a_running_task_is_listed_with_its_handle_and_cancelled_by_it() {
    let stage = Stage::new().await;
    let (_, dead) = stage.pair().await;
    let other = stage.queue("other", &[]).await;
    for body in ["a", "b", "c"] {
        stage.send(&dead, body).await;
    }
    let start = || {
        let request = stage.client.start_message_move_task();
        let request = request.source_arn(arn("orders-dlq"));
        let request = request.destination_arn(arn("other"));
        request.max_number_of_messages_per_second(1).send()
    };
    let handle = start().await.unwrap().task_handle.unwrap();
    assert_eq!(stage.receive(&other, 20).await.len(), 1);
    let second = start().await.unwrap_err();
    assert_eq!(second.code(), Some("InvalidParameterValue"));

    let task = stage.tasks().await.remove(0);
    assert_eq!(task.status(), Some("RUNNING"));
    assert_eq!(task.task_handle(), Some(&*handle));
    assert_eq!(task.destination_arn(), Some(&*arn("other")));
    assert_eq!(task.max_number_of_messages_per_second(), Some(1));
    let request = stage.client.cancel_message_move_task().task_handle(&handle);
    assert!(
        request
            .send()
            .await
            .unwrap()
            .approximate_number_of_messages_moved()
            >= 1
    );
    let task = stage.tasks().await.remove(0);
    assert!(["CANCELLING", "CANCELLED"].contains(&task.status().unwrap()));
    stage.server.shutdown().await;
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let stage = Stage::new().await;
    stage.pair().await;
    let request = stage.client.start_message_move_task();
    let request = request.source_arn(arn("orders-dlq"));
    let error = request.destination_arn(arn("gone")).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let request = stage.client.list_message_move_tasks();
    let error = request.source_arn(arn("gone")).send().await;
    let error = error.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    stage.server.shutdown().await;
}

#[tokio::test]
async fn tags_are_given_at_birth_added_replaced_and_removed() {
    let stage = Stage::new().await;
    let request = stage.client.create_queue().queue_name("orders");
    let queue = request.tags("team", "a").tags("env", "dev").send().await;
    let queue = queue.unwrap().queue_url.unwrap();
    let request = stage.client.tag_queue().queue_url(&queue);
    request.tags("team", "b").send().await.unwrap();
    let request = stage.client.untag_queue().queue_url(&queue);
    request.tag_keys("env").send().await.unwrap();
    let listed = stage
        .client
        .list_queue_tags()
        .queue_url(&queue)
        .send()
        .await;
    let tags = HashMap::from([("team".to_owned(), "b".to_owned())]);
    assert_eq!(listed.unwrap().tags, Some(tags));

    let request = stage.client.create_queue().queue_name("orders");
    let error = request.tags("team", "c").send().await.unwrap_err();
    assert_eq!(error.code(), Some("QueueAlreadyExists"));
    let request = stage.client.tag_queue().queue_url(&queue);
    let error = request.tags("aws:team", "b").send().await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    stage.server.shutdown().await;
}

#[tokio::test]
async fn a_receive_is_repeated_by_its_attempt_id() {
    let stage = Stage::new().await;
    let fifo = [(QueueAttributeName::FifoQueue, "true".to_owned())];
    let queue = stage.queue("orders.fifo", &fifo).await;
    let request = stage.client.send_message().queue_url(&queue);
    let request = request.message_body("a").message_group_id("g");
    request.message_deduplication_id("a").send().await.unwrap();
    let receive = || {
        let request = stage.client.receive_message().queue_url(&queue);
        request.receive_request_attempt_id("attempt").send()
    };
    let first = receive().await.unwrap().messages.unwrap();
    let again = receive().await.unwrap().messages.unwrap();
    assert_eq!(first, again);
    let request = stage.client.delete_message().queue_url(&queue);
    let handle = again[0].receipt_handle().unwrap();
    request.receipt_handle(handle).send().await.unwrap();
    assert_eq!(receive().await.unwrap().messages, None);

    let standard = stage.queue("orders", &[]).await;
    let request = stage.client.receive_message().queue_url(standard);
    let error = request.receive_request_attempt_id("attempt").send().await;
    assert_eq!(error.unwrap_err().code(), Some("InvalidParameterValue"));
    stage.server.shutdown().await;
}
