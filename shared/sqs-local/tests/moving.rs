//! Move tasks between queues, in process, on a paused clock.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::time::Duration;

use sqs_local::{
    CancelMessageMoveTask, CreateQueue, DeleteQueue, ErrorKind, ListMessageMoveTasks,
    ListedMoveTask, ReceiveMessage, ReceivedMessage, SendMessage, Sqs, StartMessageMoveTask,
};
use tokio::time::Instant;

/// Two queues with one dead-letter queue.
struct Stage {
    sqs: Sqs,
}

impl Stage {
    async fn new() -> Self {
        let stage = Self {
            sqs: Sqs::default(),
        };
        stage.create("dead", None).await;
        let policy = format!(
            r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":1}}"#,
            arn("dead")
        );
        stage.create("orders", Some(&policy)).await;
        stage.create("events", Some(&policy)).await;
        stage
    }

    async fn create(&self, name: &str, policy: Option<&str>) {
        let request = CreateQueue {
            queue_name: name.to_owned(),
            attributes: policy
                .map(|policy| ("RedrivePolicy".to_owned(), policy.to_owned()))
                .into_iter()
                .collect(),
            ..CreateQueue::default()
        };
        self.sqs.create_queue(request).await.unwrap();
    }

    async fn send(&self, queue: &str, body: &str) {
        let request = SendMessage {
            queue_url: self.sqs.queue_url(queue),
            message_body: body.to_owned(),
            ..SendMessage::default()
        };
        self.sqs.send_message(request).await.unwrap();
    }

    async fn receive(&self, queue: &str, wait_secs: i32) -> Vec<ReceivedMessage> {
        let request = ReceiveMessage {
            queue_url: self.sqs.queue_url(queue),
            wait_time_seconds: Some(wait_secs),
            max_number_of_messages: Some(10),
            visibility_timeout: Some(0),
            ..ReceiveMessage::default()
        };
        self.sqs.receive_message(request).await.unwrap().messages
    }

    /// Sends a message that ends in the dead-letter queue.
    async fn kill(&self, queue: &str, body: &str) {
        self.send(queue, body).await;
        assert_eq!(self.receive(queue, 0).await.len(), 1);
        assert!(self.receive(queue, 0).await.is_empty());
    }

    async fn start(
        &self,
        destination: Option<&str>,
        rate: Option<i32>,
    ) -> Result<String, ErrorKind> {
        let request = StartMessageMoveTask {
            source_arn: arn("dead"),
            destination_arn: destination.map(arn),
            max_number_of_messages_per_second: rate,
        };
        let started = self.sqs.start_message_move_task(request).await;
        started
            .map(|output| output.task_handle)
            .map_err(|error| error.kind)
    }

    async fn tasks(&self) -> Vec<ListedMoveTask> {
        let request = ListMessageMoveTasks {
            source_arn: arn("dead"),
            max_results: Some(10),
        };
        let output = self.sqs.list_message_move_tasks(request).await.unwrap();
        output.results
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{}:{name}", Sqs::ACCOUNT)
}

fn bodies(messages: &[ReceivedMessage]) -> Vec<&str> {
    messages.iter().map(|message| &*message.body).collect()
}

#[tokio::test(start_paused = true)]
async fn each_message_goes_back_to_where_it_came_from_without_anybody_looking() {
    let stage = Stage::new().await;
    stage.kill("orders", "o").await;
    stage.kill("events", "e").await;
    stage.start(None, Some(1)).await.unwrap();
    let start = Instant::now();
    // Nobody touches the dead-letter queue: the clock alone moves the second one.
    assert_eq!(bodies(&stage.receive("orders", 20).await), ["o"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(bodies(&stage.receive("events", 20).await), ["e"]);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    let task = &stage.tasks().await[0];
    assert_eq!((task.status, &task.task_handle), ("COMPLETED", &None));
    assert_eq!(task.approximate_number_of_messages_moved, 2);
    assert_eq!(task.destination_arn, None);
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_to_the_dead_letter_queue_itself_ends_a_task_without_destination() {
    let stage = Stage::new().await;
    stage.kill("orders", "o").await;
    stage.send("dead", "direct").await;
    stage.start(None, None).await.unwrap();
    assert_eq!(bodies(&stage.receive("orders", 20).await), ["o"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    let task = &stage.tasks().await[0];
    assert_eq!(task.status, "FAILED");
    assert_eq!(task.failure_reason, Some("CouldNotDetermineMessageSource"));
    assert_eq!(bodies(&stage.receive("dead", 0).await), ["direct"]);

    stage.start(Some("events"), None).await.unwrap();
    assert_eq!(bodies(&stage.receive("events", 20).await), ["direct"]);
    let statuses: Vec<_> = stage.tasks().await.iter().map(|task| task.status).collect();
    assert_eq!(statuses, ["COMPLETED", "FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_deleted_meanwhile_fails_the_task() {
    let stage = Stage::new().await;
    stage.create("other", None).await;
    for body in ["a", "b"] {
        stage.kill("orders", body).await;
    }
    stage.start(Some("other"), Some(1)).await.unwrap();
    assert_eq!(bodies(&stage.receive("other", 20).await), ["a"]);
    let request = DeleteQueue {
        queue_url: stage.sqs.queue_url("other"),
    };
    stage.sqs.delete_queue(request).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let task = &stage.tasks().await[0];
    assert_eq!(task.status, "FAILED");
    assert_eq!(
        task.failure_reason,
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    assert_eq!(bodies(&stage.receive("dead", 0).await), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_moves_nothing_more() {
    let stage = Stage::new().await;
    for body in ["a", "b", "c"] {
        stage.kill("orders", body).await;
    }
    let task_handle = stage.start(Some("events"), Some(1)).await.unwrap();
    assert_eq!(bodies(&stage.receive("events", 20).await), ["a"]);
    assert_eq!(
        stage.start(None, None).await,
        Err(ErrorKind::InvalidParameterValue)
    );
    let request = CancelMessageMoveTask {
        task_handle: task_handle.clone(),
    };
    let cancelled = stage.sqs.cancel_message_move_task(request.clone()).await;
    assert_eq!(cancelled.unwrap().approximate_number_of_messages_moved, 1);
    assert_eq!(stage.tasks().await[0].status, "CANCELLING");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.tasks().await[0].status, "CANCELLED");
    let again = stage.sqs.cancel_message_move_task(request).await;
    assert_eq!(again.unwrap_err().kind, ErrorKind::UnsupportedOperation);
    assert_eq!(bodies(&stage.receive("dead", 0).await), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_started_is_refused() {
    let stage = Stage::new().await;
    for (destination, rate, kind) in [
        (Some("gone"), None, ErrorKind::ResourceNotFound),
        (Some("dead"), None, ErrorKind::InvalidParameterValue),
        (Some(""), None, ErrorKind::InvalidParameterValue),
        (None, Some(0), ErrorKind::InvalidParameterValue),
        (None, Some(501), ErrorKind::InvalidParameterValue),
    ] {
        assert_eq!(stage.start(destination, rate).await, Err(kind));
    }
    for (source_arn, kind) in [
        (String::new(), ErrorKind::MissingParameter),
        ("dead".to_owned(), ErrorKind::InvalidParameterValue),
        (arn("gone"), ErrorKind::ResourceNotFound),
        (
            arn("dead").replace("us-east-1", "eu-west-1"),
            ErrorKind::ResourceNotFound,
        ),
        (arn("orders"), ErrorKind::InvalidParameterValue),
    ] {
        let request = StartMessageMoveTask {
            source_arn,
            ..StartMessageMoveTask::default()
        };
        let refused = stage.sqs.start_message_move_task(request.clone()).await;
        assert_eq!(refused.unwrap_err().kind, kind, "{}", request.source_arn);
    }
    for (task_handle, kind) in [
        ("", ErrorKind::MissingParameter),
        ("garbage", ErrorKind::InvalidParameterValue),
        ("e30=", ErrorKind::InvalidParameterValue),
    ] {
        let request = CancelMessageMoveTask {
            task_handle: task_handle.to_owned(),
        };
        let refused = stage.sqs.cancel_message_move_task(request).await;
        assert_eq!(refused.unwrap_err().kind, kind, "{task_handle}");
    }
}
