//! Receives of a FIFO queue whose answer is lost, over HTTP with the real SDK.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::time::{Duration, Instant};

use fleet::message::{Message, Outgoing};
use fleet::queue::{ClientOptions, Queue as _, QueueErrorKind, Sqs as Account, SqsQueue};
use fleet_tests::patience::PATIENCE;
use sqs_local::Sqs;
use sqs_local::http::Server;

/// How long the messages of a receive are invisible: longer than any test waits.
const VISIBILITY: Duration = Duration::from_secs(3600);

struct Stage {
    sqs: Sqs,
    server: Server,
    queue: SqsQueue,
}

impl Stage {
    async fn new() -> Self {
        let sqs = Sqs::default();
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
        let account = Account::local(&server.url());
        let attributes = [
            ("FifoQueue", "true".to_owned()),
            ("VisibilityTimeout", VISIBILITY.as_secs().to_string()),
        ];
        let url = account.create("jobs.fifo", &attributes).await.unwrap();
        let queue = account.queue(&url, ClientOptions::receiving(Duration::from_secs(1)));
        Self { sqs, server, queue }
    }

    async fn send(&self, bodies: &[&str]) {
        let messages: Vec<Outgoing> = bodies
            .iter()
            .map(|body| Outgoing {
                body: (*body).to_owned(),
                group_id: Some("g".to_owned()),
                deduplication_id: Some((*body).to_owned()),
                ..Outgoing::default()
            })
            .collect();
        let sent = self.queue.send(&messages).await.unwrap();
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    }

    async fn receive(&self, max: usize) -> Vec<String> {
        let received = self.queue.receive(max, Duration::ZERO).await.unwrap();
        received.into_iter().map(|message| message.body).collect()
    }

    /// Receives with the answer, or the request, going astray.
    async fn receive_in_vain(&self, plan: &str) {
        self.sqs.set_faults(plan.parse().unwrap());
        let answer = self.queue.receive(10, Duration::ZERO).await;
        let kind = answer.map(|_: Vec<Message>| ()).unwrap_err().kind;
        assert!(
            matches!(kind, QueueErrorKind::Unreachable | QueueErrorKind::Server),
            "{kind:?}"
        );
        self.sqs.set_faults("".parse().unwrap());
    }
}

#[tokio::test]
async fn the_next_receive_brings_what_a_lost_answer_held() {
    for plan in ["lost", "truncate", "reset", "error", "unavailable"] {
        let stage = Stage::new().await;
        stage.send(&["a", "b"]).await;
        stage.receive_in_vain(plan).await;
        let start = Instant::now();
        assert_eq!(stage.receive(10).await, ["a", "b"], "{plan}");
        assert!(start.elapsed() < PATIENCE, "not after the timeout: {plan}");
        assert!(stage.receive(10).await.is_empty(), "{plan}: once is enough");
        stage.server.shutdown().await;
    }
}

#[tokio::test]
async fn a_receive_with_less_room_leaves_the_lost_answer_to_the_next() {
    let stage = Stage::new().await;
    stage.send(&["a", "b"]).await;
    stage.receive_in_vain("lost").await;
    assert!(stage.receive(1).await.is_empty());
    assert_eq!(stage.receive(10).await, ["a", "b"]);
    stage.server.shutdown().await;
}
