//! Each kind of fault as a client sees it, and what it leaves behind in the queue.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use sqs_local::http::Server;
use sqs_local::{
    CreateQueue, ErrorKind, GetQueueAttributes, ReceiveMessage, SendMessage, SendMessageBatch,
    SendMessageBatchEntry, Sqs,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than any answer takes here, and less than anybody likes to wait for a failure.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long to listen for what never comes: a longer time would find no more.
const SILENCE: Duration = Duration::from_millis(100);

/// A server under a plan, with one queue.
struct Stage {
    server: Server,
    sqs: Sqs,
    url: String,
}

impl Stage {
    async fn new(spec: &str) -> Self {
        let sqs = Sqs::default();
        let request = CreateQueue {
            queue_name: "orders".into(),
            ..CreateQueue::default()
        };
        let url = sqs.create_queue(request).await.unwrap().queue_url;
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
        sqs.set_faults(spec.parse().unwrap());
        Self { server, sqs, url }
    }

    async fn send(&self) {
        let request = SendMessage {
            queue_url: self.url.clone(),
            message_body: "a".into(),
            ..SendMessage::default()
        };
        self.sqs.send_message(request).await.unwrap();
    }

    /// Asks on a connection of its own.
    async fn ask(&self, operation: &str, fields: Value) -> Client {
        self.ask_signed(operation, fields, "").await
    }

    async fn ask_signed(&self, operation: &str, mut fields: Value, headers: &str) -> Client {
        fields["QueueUrl"] = self.url.clone().into();
        let mut client = Client(TcpStream::connect(self.server.addr()).await.unwrap());
        client.ask(operation, &fields, headers).await;
        client
    }

    /// Visible and in flight.
    async fn counts(&self) -> [String; 2] {
        let names = ["", "NotVisible"].map(|state| format!("ApproximateNumberOfMessages{state}"));
        let request = GetQueueAttributes {
            queue_url: self.url.clone(),
            attribute_names: names.to_vec(),
        };
        let counts = self.sqs.get_queue_attributes(request).await.unwrap();
        names.map(|name| counts.attributes[name.as_str()].clone())
    }

    /// Waits for counts that another task brings about.
    async fn until_counts(&self, expected: [&str; 2]) {
        let look = async {
            while self.counts().await != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(ANSWER_TIME, look).await.unwrap();
    }
}

/// A connection.
struct Client(TcpStream);

impl Client {
    async fn ask(&mut self, operation: &str, fields: &Value, headers: &str) {
        let body = fields.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: AmazonSQS.{operation}\r\n{headers}\
             content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Reads a whole answer: status, head, body.
    async fn answer(&mut self) -> (u16, String, Value) {
        let (head, length) = self.head().await;
        let mut body = vec![0; length];
        in_time(self.0.read_exact(&mut body)).await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, serde_json::from_slice(&body).unwrap())
    }

    /// Reads a head and the length of the body it announces.
    async fn head(&mut self) -> (String, usize) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(in_time(self.0.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        (head, length)
    }

    /// Reads what comes until the connection ends.
    async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        in_time(self.0.read_to_end(&mut rest)).await?;
        Ok(rest)
    }

    /// Tells whether nothing comes, not even an end.
    async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(SILENCE, self.0.read_u8())
            .await
            .is_err()
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(ANSWER_TIME, future)
        .await
        .expect("it happens in time")
}

fn body(text: &str) -> Value {
    json!({ "MessageBody": text })
}

#[tokio::test]
async fn an_error_is_answered_and_has_no_effect() {
    for (spec, status, shape, query) in [
        ("error", 500, "InternalFailure", "InternalError;Receiver"),
        (
            "unavailable",
            503,
            "ServiceUnavailableException",
            "ServiceUnavailable;Receiver",
        ),
        (
            "throttle",
            400,
            "ThrottlingException",
            "ThrottlingException;Sender",
        ),
        (
            "throttle code=RequestThrottled",
            403,
            "RequestThrottled",
            "RequestThrottled;Sender",
        ),
        (
            "expired",
            403,
            "ExpiredTokenException",
            "ExpiredToken;Sender",
        ),
    ] {
        let stage = Stage::new(&format!("{spec} ops=SendMessage count=1")).await;
        let mut client = stage.ask("SendMessage", body("a")).await;
        let (answered, head, error) = client.answer().await;
        assert_eq!(answered, status, "{spec}");
        assert!(
            error["__type"]
                .as_str()
                .unwrap()
                .ends_with(&format!("#{shape}"))
        );
        assert!(
            head.contains(&format!("x-amzn-query-error: {query}\r\n")),
            "{head}"
        );
        assert_eq!(stage.counts().await, ["0", "0"], "{spec}");
        client.ask("ListQueues", &json!({}), "").await;
        assert_eq!(
            client.answer().await.0,
            200,
            "the connection is as good as before"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_has_its_effect_and_ends_the_connection() {
    let stage = Stage::new("lost count=1").await;
    let mut client = stage.ask("SendMessage", body("a")).await;
    assert_eq!(client.rest().await.unwrap(), b"");
    assert_eq!(stage.counts().await, ["1", "0"]);
    let (status, ..) = stage.ask("ReceiveMessage", json!({})).await.answer().await;
    assert_eq!(status, 200, "once, as the plan says");
}

#[tokio::test]
async fn a_truncated_answer_has_its_effect_and_stops_in_the_middle() {
    let stage = Stage::new("truncate ops=ReceiveMessage").await;
    stage.send().await;
    let mut client = stage.ask("ReceiveMessage", json!({})).await;
    let (head, length) = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(client.rest().await.unwrap().len(), length / 2);
    assert_eq!(stage.counts().await, ["0", "1"]);
}

#[tokio::test]
async fn a_dripping_answer_comes_byte_by_byte() {
    let stage = Stage::new("drip every=1ms").await;
    let mut client = stage.ask("SendMessage", body("a")).await;
    assert_eq!(client.answer().await.0, 200, "whole in the end");
    stage.sqs.set_faults("drip every=1h".parse().unwrap());
    let mut client = stage.ask("SendMessage", body("b")).await;
    let (_, length) = client.head().await;
    assert!(length > 0 && client.is_silent().await);
    assert_eq!(stage.counts().await, ["2", "0"]);
}

#[tokio::test]
async fn a_reset_comes_before_the_effect() {
    let stage = Stage::new("reset").await;
    let mut client = stage.ask("SendMessage", body("a")).await;
    let error = client.rest().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(stage.counts().await, ["0", "0"]);
}

#[tokio::test]
async fn a_call_that_hangs_has_no_effect_and_no_end() {
    let stage = Stage::new("hang count=1").await;
    let mut client = stage.ask("SendMessage", body("a")).await;
    assert!(client.is_silent().await);
    assert_eq!(stage.counts().await, ["0", "0"]);
    stage.sqs.clear_faults();
    assert!(client.is_silent().await, "it hangs for good");
}

#[tokio::test]
async fn a_hung_poll_takes_its_message_and_keeps_silent() {
    let stage = Stage::new("hung-poll").await;
    let mut client = stage
        .ask("ReceiveMessage", json!({"WaitTimeSeconds": 20}))
        .await;
    stage.send().await;
    stage.until_counts(["0", "1"]).await;
    assert!(client.is_silent().await);
}

#[tokio::test]
async fn a_receive_may_bring_what_somebody_else_has() {
    let stage = Stage::new("duplicate").await;
    let receive = || async {
        let (_, _, answer) = stage.ask("ReceiveMessage", json!({})).await.answer().await;
        answer["Messages"][0].clone()
    };
    stage.send().await;
    let (first, second) = (receive().await, receive().await);
    assert_eq!(first["MessageId"], second["MessageId"]);
    assert_ne!(first["ReceiptHandle"], second["ReceiptHandle"]);
    assert_eq!(stage.counts().await, ["0", "1"]);
}

#[tokio::test]
async fn a_partial_failure_is_in_a_good_answer_and_spares_the_queue() {
    let stage = Stage::new("partial share=0").await;
    let entries: Vec<Value> = (0..10)
        .map(|id| json!({"Id": id.to_string(), "MessageBody": "a"}))
        .collect();
    let mut client = stage
        .ask("SendMessageBatch", json!({ "Entries": entries }))
        .await;
    let (status, _, answer) = client.answer().await;
    assert_eq!(status, 200);
    let failed = answer["Failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1, "one at least");
    assert_eq!(failed[0]["Code"], "InternalError");
    assert_eq!(failed[0]["SenderFault"], false);
    assert_eq!(answer["Successful"].as_array().unwrap().len(), 9);
    assert_eq!(stage.counts().await, ["9", "0"]);
}

#[tokio::test]
async fn a_clock_that_is_off_shows_in_the_date_and_refuses_signatures() {
    let stage = Stage::new("skew by=-20m ops=SendMessage").await;
    let now = jiff::Timestamp::now();
    let signed = |at: jiff::Timestamp| format!("x-amz-date: {}\r\n", at.strftime("%Y%m%dT%H%M%SZ"));
    let mut client = stage
        .ask_signed("SendMessage", body("a"), &signed(now))
        .await;
    let (status, head, error) = client.answer().await;
    assert_eq!(status, 403);
    assert_eq!(
        error["__type"],
        "com.amazon.coral.service#InvalidSignatureException"
    );
    let date = head.split("date: ").nth(1).unwrap();
    let date = date.split("\r\n").next().unwrap();
    let shown = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    let off = now.duration_since(shown);
    assert!((1_190..=1_201).contains(&off.as_secs()), "{date}");
    assert_eq!(stage.counts().await, ["0", "0"]);
    let mut client = stage
        .ask_signed("SendMessage", body("a"), &signed(shown))
        .await;
    assert_eq!(client.answer().await.0, 200, "corrected by the client");
}

#[tokio::test]
async fn a_shutdown_ends_what_hangs_and_drips() {
    let stage = Stage::new("hang ops=SendMessage; drip every=1h").await;
    let mut hanging = stage.ask("SendMessage", body("a")).await;
    let mut dripping = stage.ask("ReceiveMessage", json!({})).await;
    dripping.head().await;
    assert!(hanging.is_silent().await);
    in_time(stage.server.shutdown()).await;
    for mut client in [hanging, dripping] {
        assert_eq!(client.rest().await.unwrap_or_default(), b"");
    }
}

#[tokio::test]
async fn calls_in_process_see_errors_duplicates_and_partial_failures() {
    let stage = Stage::new(
        "hang; lost; skew by=1h; error ops=SendMessage count=1; partial share=1; duplicate",
    )
    .await;
    let send = SendMessage {
        queue_url: stage.url.clone(),
        message_body: "a".into(),
        ..SendMessage::default()
    };
    let error = stage.sqs.send_message(send).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal);
    stage.send().await;
    let receive = || ReceiveMessage {
        queue_url: stage.url.clone(),
        ..ReceiveMessage::default()
    };
    let first = stage.sqs.receive_message(receive()).await.unwrap().messages;
    let second = stage.sqs.receive_message(receive()).await.unwrap().messages;
    assert_eq!(first[0].message_id, second[0].message_id);
    let batch = SendMessageBatch {
        queue_url: stage.url.clone(),
        entries: vec![SendMessageBatchEntry {
            id: "1".into(),
            message_body: "a".into(),
            ..SendMessageBatchEntry::default()
        }],
    };
    let outcome = stage.sqs.send_message_batch(batch).await.unwrap();
    assert_eq!((outcome.successful.len(), outcome.failed.len()), (0, 1));
    assert_eq!(
        stage.sqs.faults().unwrap().to_string().split(';').count(),
        6
    );
    stage.sqs.clear_faults();
    assert_eq!(stage.sqs.faults(), None);
}
