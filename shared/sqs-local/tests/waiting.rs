//! Receives that wait, in process, on a paused clock.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::time::Duration;

use sqs_local::{
    AbandonedReceives, ChangeMessageVisibility, CreateQueue, DeleteQueue, ErrorKind,
    GetQueueAttributes, ReceiveMessage, ReceivedMessage, SendMessage, SetQueueAttributes, Settings,
    Sqs,
};
use tokio::time::Instant;

/// A service with one queue.
struct Stage {
    sqs: Sqs,
    queue_url: String,
}

impl Stage {
    async fn new(settings: Settings) -> Self {
        let sqs = Sqs::new(settings);
        let queue_url = create(&sqs, "orders").await;
        Self { sqs, queue_url }
    }

    async fn send(&self, body: &str, delay_seconds: i32) {
        let request = SendMessage {
            queue_url: self.queue_url.clone(),
            message_body: body.to_owned(),
            delay_seconds: Some(delay_seconds),
            ..SendMessage::default()
        };
        self.sqs.send_message(request).await.unwrap();
    }

    async fn receive(&self, wait_secs: i32) -> Vec<ReceivedMessage> {
        receive(self.sqs.clone(), self.queue_url.clone(), wait_secs)
            .await
            .unwrap()
    }

    /// Starts a receive and returns once it waits.
    async fn start_receive(
        &self,
        wait_secs: i32,
    ) -> tokio::task::JoinHandle<Result<Vec<ReceivedMessage>, sqs_local::Error>> {
        let task = tokio::spawn(receive(self.sqs.clone(), self.queue_url.clone(), wait_secs));
        // On one thread, the task runs until it has to wait.
        tokio::task::yield_now().await;
        task
    }

    async fn in_flight(&self) -> String {
        let name = "ApproximateNumberOfMessagesNotVisible";
        let request = GetQueueAttributes {
            queue_url: self.queue_url.clone(),
            attribute_names: vec![name.to_owned()],
        };
        let output = self.sqs.get_queue_attributes(request).await.unwrap();
        output.attributes[name].clone()
    }
}

async fn create(sqs: &Sqs, name: &str) -> String {
    let request = CreateQueue {
        queue_name: name.to_owned(),
        ..CreateQueue::default()
    };
    sqs.create_queue(request).await.unwrap().queue_url
}

async fn receive(
    sqs: Sqs,
    queue_url: String,
    wait_secs: i32,
) -> Result<Vec<ReceivedMessage>, sqs_local::Error> {
    let request = ReceiveMessage {
        queue_url,
        wait_time_seconds: Some(wait_secs),
        max_number_of_messages: Some(10),
        ..ReceiveMessage::default()
    };
    sqs.receive_message(request)
        .await
        .map(|output| output.messages)
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_a_message_ends_empty_at_its_time() {
    let stage = Stage::new(Settings::default()).await;
    let start = Instant::now();
    assert!(stage.receive(20).await.is_empty());
    assert_eq!(start.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_as_soon_as_something_is_sent() {
    let stage = Stage::new(Settings::default()).await;
    let waiting = stage.start_receive(20).await;
    let start = Instant::now();
    stage.send("a", 0).await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_a_delay_or_a_timeout_ends() {
    let stage = Stage::new(Settings::default()).await;
    let start = Instant::now();
    stage.send("a", 7).await;
    assert_eq!(stage.receive(20).await.len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
    let start = Instant::now();
    assert!(stage.receive(20).await.is_empty(), "invisible for 30 s");
    assert_eq!(stage.receive(20).await.len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_meanwhile_with_a_shorter_delay_is_not_missed() {
    let stage = Stage::new(Settings::default()).await;
    stage.send("late", 15).await;
    let waiting = stage.start_receive(20).await;
    stage.send("early", 5).await;
    let start = Instant::now();
    assert_eq!(&*waiting.await.unwrap().unwrap()[0].body, "early");
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_released_message_goes_to_who_waits() {
    let stage = Stage::new(Settings::default()).await;
    stage.send("a", 0).await;
    let receipt_handle = stage.receive(0).await.remove(0).receipt_handle.to_string();
    let waiting = stage.start_receive(20).await;
    let queue_url = stage.queue_url.clone();
    let request = ChangeMessageVisibility {
        queue_url,
        receipt_handle,
        visibility_timeout: Some(0),
    };
    stage.sqs.change_message_visibility(request).await.unwrap();
    let start = Instant::now();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_turn() {
    let stage = Stage::new(Settings::default()).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(stage.start_receive(20).await);
    }
    for number in 0..5 {
        stage.send(&number.to_string(), 0).await;
    }
    for (number, task) in waiting.into_iter().enumerate() {
        assert_eq!(*task.await.unwrap().unwrap()[0].body, *number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_one_that_watches_goes_another_takes_over() {
    let stage = Stage::new(Settings::default()).await;
    stage.send("a", 10).await;
    let watching = stage.start_receive(5).await;
    let standing_by = stage.start_receive(20).await;
    let start = Instant::now();
    assert!(watching.await.unwrap().unwrap().is_empty());
    assert_eq!(standing_by.await.unwrap().unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_receive_takes_its_message_along() {
    let stage = Stage::new(Settings::default()).await;
    let waiting = stage.start_receive(20).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    stage.send("a", 0).await;
    assert_eq!(stage.in_flight().await, "1", "in flight, and nobody has it");
    let start = Instant::now();
    assert!(stage.receive(20).await.is_empty());
    assert_eq!(stage.receive(20).await.len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_receive_ends_where_the_settings_say_so() {
    let abandoned_receives = AbandonedReceives::End;
    let stage = Stage::new(Settings {
        abandoned_receives,
        ..Settings::default()
    })
    .await;
    let waiting = stage.start_receive(20).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    stage.send("a", 0).await;
    assert_eq!(stage.in_flight().await, "0");
}

#[tokio::test(start_paused = true)]
async fn deleting_the_queue_ends_a_wait() {
    let stage = Stage::new(Settings::default()).await;
    let waiting = stage.start_receive(20).await;
    let queue_url = stage.queue_url.clone();
    stage
        .sqs
        .delete_queue(DeleteQueue { queue_url })
        .await
        .unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::QueueDoesNotExist);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_name_is_blocked_for_a_minute() {
    let stage = Stage::new(Settings::default()).await;
    let queue_url = stage.queue_url.clone();
    stage
        .sqs
        .delete_queue(DeleteQueue { queue_url })
        .await
        .unwrap();
    let again = || CreateQueue {
        queue_name: "orders".into(),
        ..CreateQueue::default()
    };
    tokio::time::advance(Duration::from_secs(59)).await;
    let error = stage.sqs.create_queue(again()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::QueueDeletedRecently);
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.sqs.create_queue(again()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dead_message_goes_to_who_waits_for_it() {
    let stage = Stage::new(Settings::default()).await;
    let dead_url = create(&stage.sqs, "dead").await;
    let policy =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    let request = SetQueueAttributes {
        queue_url: stage.queue_url.clone(),
        attributes: [("RedrivePolicy".to_owned(), policy.to_owned())].into(),
    };
    stage.sqs.set_queue_attributes(request).await.unwrap();
    stage.send("a", 0).await;
    let id = stage.receive(0).await[0].message_id;
    let mourning = tokio::spawn(receive(stage.sqs.clone(), dead_url, 20));
    let start = Instant::now();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(15)).await;
    // The timeout ends while this one waits; what it would get moves on.
    assert!(stage.receive(20).await.is_empty());
    assert_eq!(
        mourning.await.unwrap().unwrap().len(),
        0,
        "it moved at 30 s, this ended at 20 s"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(35));
    let dead_url = stage.sqs.queue_url("dead");
    let dead = receive(stage.sqs.clone(), dead_url, 0).await.unwrap();
    assert_eq!(dead[0].message_id, id);
}
