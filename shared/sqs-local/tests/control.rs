//! The control port, and the history as it shows it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sqs_local::http::{Control, Server};
use sqs_local::{CreateQueue, Sqs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than any answer takes here, and less than anybody likes to wait for a failure.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A server with one queue, and its control port.
struct Stage {
    server: Server,
    control: Control,
    sqs: Sqs,
    url: String,
}

impl Stage {
    async fn new() -> Self {
        let sqs = Sqs::default();
        let request = CreateQueue {
            queue_name: "orders".into(),
            ..CreateQueue::default()
        };
        let url = sqs.create_queue(request).await.unwrap().queue_url;
        Self {
            server: Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap(),
            control: Control::bind("127.0.0.1:0", sqs.clone()).await.unwrap(),
            sqs,
            url,
        }
    }

    async fn with_history() -> Self {
        let stage = Self::new().await;
        stage.sqs.keep_history();
        stage
    }

    /// Asks the control port.
    async fn control(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (status, body) = exchange(self.control.addr(), method, path, "", body).await;
        (status, body)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.control("GET", path, "").await
    }

    async fn history(&self, query: &str) -> Vec<Value> {
        let (status, lines) = self.get(&format!("/history{query}")).await;
        assert_eq!(status, 200, "{lines}");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Calls the server by an access key.
    async fn call(&self, key: &str, operation: &str, mut fields: Value) -> Value {
        fields["QueueUrl"] = self.url.clone().into();
        let headers = format!(
            "x-amz-target: AmazonSQS.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/aws4_request\r\n"
        );
        let (_, body) = exchange(
            self.server.addr(),
            "POST",
            "/",
            &headers,
            &fields.to_string(),
        )
        .await;
        serde_json::from_str(&body).unwrap_or_default()
    }

    async fn send(&self, bodies: &[&str]) {
        let entry = |(id, body)| json!({"Id": format!("{id}"), "MessageBody": body});
        let entries: Vec<Value> = bodies.iter().enumerate().map(entry).collect();
        self.call("AKSEND", "SendMessageBatch", json!({ "Entries": entries }))
            .await;
    }

    async fn receive(&self, key: &str) -> Vec<String> {
        let fields = json!({"MaxNumberOfMessages": 10});
        let answer = self.call(key, "ReceiveMessage", fields).await;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        messages
            .iter()
            .map(|message| message["ReceiptHandle"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn delete(&self, key: &str, receipts: &[&str]) {
        let entry = |(id, receipt)| json!({"Id": format!("{id}"), "ReceiptHandle": receipt});
        let entries: Vec<Value> = receipts.iter().enumerate().map(entry).collect();
        self.call(key, "DeleteMessageBatch", json!({ "Entries": entries }))
            .await;
    }
}

/// Sends a request on a connection of its own and reads the answer to its end.
async fn exchange(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    let all = async {
        let mut stream = TcpStream::connect(addr).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER_TIME, all)
        .await
        .unwrap()
        .unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return (0, String::new());
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test]
async fn faults_are_set_shown_and_cleared() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/faults").await, (200, "\n".to_owned()));
    let spec = "seed=7; error rate=1 ops=SendMessageBatch";
    let put = stage.control("PUT", "/faults", &format!("{spec}\n")).await;
    assert_eq!(put, (204, String::new()));
    assert_eq!(stage.get("/faults").await, (200, format!("{spec}\n")));
    stage.send(&["a"]).await;
    let delete = stage.control("DELETE", "/faults", "").await;
    assert_eq!(delete, (204, String::new()));
    assert_eq!(stage.receive("AK").await.len(), 0, "it was refused");
    stage.send(&["a"]).await;
    assert_eq!(stage.receive("AK").await.len(), 1);
}

#[tokio::test]
async fn a_plan_with_an_error_is_refused_with_its_reason_and_the_old_one_stays() {
    let stage = Stage::new().await;
    stage.control("PUT", "/faults", "error rate=0").await;
    let (status, reason) = stage.control("PUT", "/faults", "hang form=10s").await;
    assert_eq!(status, 400);
    assert!(
        reason.contains("unknown argument form; allowed are"),
        "{reason}"
    );
    let long = " ".repeat(100_000);
    assert_eq!(stage.control("PUT", "/faults", &long).await.0, 400);
    assert_eq!(stage.get("/faults").await.1, "error rate=0\n");
}

#[tokio::test]
async fn other_requests_learn_what_there_is() {
    let stage = Stage::with_history().await;
    for (method, path, status, said) in [
        (
            "GET",
            "/",
            404,
            "there are /faults, /permissions, /history and /counts",
        ),
        ("POST", "/faults", 405, "PUT and DELETE"),
        ("DELETE", "/history", 405, "GET"),
        (
            "GET",
            "/history?after=x",
            400,
            "after=x: expected a whole number",
        ),
        ("GET", "/history?before=1", 400, "there are after and limit"),
    ] {
        let (answered, body) = stage.control(method, path, "").await;
        assert_eq!(answered, status, "{method} {path}");
        assert!(body.contains(said), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn without_a_history_there_is_none_to_show() {
    let stage = Stage::new().await;
    stage.send(&["a"]).await;
    for path in ["/history", "/counts"] {
        let (status, reason) = stage.get(path).await;
        assert_eq!(
            (status, reason.contains("--history")),
            (404, true),
            "{path}"
        );
    }
}

#[tokio::test]
async fn only_this_machine_reaches_the_control_port() {
    let error = Control::bind("0.0.0.0:0", Sqs::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let stage = Stage::new().await;
    tokio::time::timeout(ANSWER_TIME, stage.control.shutdown())
        .await
        .unwrap();
}

/// Sums a record up in a line.
fn line(call: &Value) -> String {
    let text = |field: &str| call[field].as_str().unwrap_or("-").to_owned();
    let entries: Vec<String> = call["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| match &entry["receives"] {
            Value::Null => entry["outcome"].as_str().unwrap().to_owned(),
            receives => format!("{} {receives}", entry["outcome"].as_str().unwrap()),
        })
        .collect();
    let words = ["key", "operation", "queue", "result"].map(text).join(" ");
    format!("{} {words}: {}", call["seq"], entries.join(", "))
}

#[tokio::test]
async fn the_history_tells_what_became_of_every_message() {
    let stage = Stage::with_history().await;
    stage.send(&["a", "b"]).await;
    let receipts = stage.receive("AKONE").await;
    stage.delete("AKONE", &[&receipts[0], "garbage"]).await;
    stage.delete("AKTWO", &[&receipts[0]]).await;
    let change = json!({"ReceiptHandle": receipts[1], "VisibilityTimeout": 0});
    stage.call("AKONE", "ChangeMessageVisibility", change).await;
    stage.receive("AKTWO").await;
    stage.delete("AKONE", &[&receipts[1]]).await;
    stage.call("AKONE", "ListQueues", json!({})).await;

    let history = stage.history("").await;
    let lines: Vec<String> = history.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "1 AKSEND SendMessageBatch orders ok: sent, sent",
            "2 AKONE ReceiveMessage orders ok: received 1, received 1",
            "3 AKONE DeleteMessageBatch orders ok: deleted, ReceiptHandleIsInvalid",
            "4 AKTWO DeleteMessageBatch orders ok: gone",
            "5 AKONE ChangeMessageVisibility orders ok: changed",
            "6 AKTWO ReceiveMessage orders ok: received 2",
            "7 AKONE DeleteMessageBatch orders ok: stale",
            "8 AKONE ListQueues - ok: ",
        ]
    );
    let id = |call: usize, entry: usize| &history[call]["entries"][entry]["id"];
    for (call, entry) in [(1, 0), (2, 0), (3, 0)] {
        assert_eq!(id(call, entry), id(0, 0), "call {call}");
    }
    for (call, entry) in [(1, 1), (4, 0), (5, 0), (6, 0)] {
        assert_eq!(id(call, entry), id(0, 1), "call {call}");
    }
    assert!(id(2, 1).is_null(), "nobody was given that receipt");
}

#[tokio::test]
async fn the_history_never_tells_what_is_in_a_message() {
    let stage = Stage::with_history().await;
    let send = json!({
        "MessageBody": "secret",
        "MessageAttributes": {"secret": {"DataType": "String", "StringValue": "secret"}},
    });
    stage.call("AK", "SendMessage", send).await;
    stage.receive("AK").await;
    let history = stage.history("").await;
    assert_eq!(history.len(), 2);
    assert!(!json!(history).to_string().contains("secret"));
}

#[tokio::test]
async fn the_history_is_read_in_pages() {
    let stage = Stage::with_history().await;
    for _ in 0..5 {
        stage.call("AK", "ListQueues", json!({})).await;
    }
    for (query, expected) in [
        ("", vec![1, 2, 3, 4, 5]),
        ("?after=0&limit=2", vec![1, 2]),
        ("?after=2&limit=2", vec![3, 4]),
        ("?limit=0", vec![]),
        ("?after=5", vec![]),
        ("?after=99", vec![]),
    ] {
        let seqs: Vec<u64> = stage
            .history(query)
            .await
            .iter()
            .map(|call| call["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, expected, "{query}");
    }
}

#[tokio::test]
async fn faults_and_what_came_of_them_are_told_apart() {
    let stage = Stage::with_history().await;
    let told = |history: Vec<Value>| {
        let call = history.last().unwrap();
        (
            call["fault"].clone(),
            call["result"].clone(),
            call["entries"].as_array().unwrap().len(),
        )
    };
    for (spec, fault, result, entries) in [
        ("error", "error", "InternalFailure", 0),
        ("throttle", "throttle", "ThrottlingException", 0),
        ("reset", "reset", "ServiceUnavailableException", 0),
        ("lost", "lost", "ok", 2),
        ("partial", "partial", "ok", 2),
        ("skew by=1h", "skew", "ok", 2),
    ] {
        stage
            .sqs
            .set_faults(format!("{spec} count=1").parse().unwrap());
        let asked = exchange_or_end(&stage).await;
        assert!(asked, "{spec}");
        let expected = (fault.into(), result.into(), entries);
        assert_eq!(told(stage.history("").await), expected, "{spec}");
    }
}

#[tokio::test]
async fn counts_alone_are_those_of_the_whole_history_and_keep_no_call() {
    let mut told = Vec::new();
    for keep in [Sqs::keep_history, Sqs::keep_counts] {
        let stage = Stage::new().await;
        keep(&stage.sqs);
        stage.send(&["a", "b", "c"]).await;
        let receipts = stage.receive("AKONE").await;
        stage.delete("AKONE", &[&receipts[0], "garbage"]).await;
        stage.delete("AKTWO", &[&receipts[0]]).await;
        let spec = "lost ops=DeleteMessageBatch count=1";
        stage.control("PUT", "/faults", spec).await;
        stage.delete("AKTWO", &[&receipts[1]]).await;
        let (status, counts) = stage.get("/counts").await;
        assert_eq!(status, 200);
        told.push((counts, stage.get("/history").await));
    }
    let [(counts, all), (alone, none)] = <[_; 2]>::try_from(told).unwrap();
    assert_eq!(alone, counts);
    assert!(counts.contains("lost"), "{counts}");
    assert_eq!(all.0, 200);
    assert_eq!(all.1.lines().count(), 5);
    let reason = "only counts are kept; start with --history calls\n";
    assert_eq!(none, (404, reason.to_owned()));
}

/// Sends two messages, whatever becomes of the answer.
async fn exchange_or_end(stage: &Stage) -> bool {
    let mut stream = TcpStream::connect(stage.server.addr()).await.unwrap();
    let body = json!({"QueueUrl": stage.url, "Entries": [
        {"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"},
    ]})
    .to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
         x-amz-target: AmazonSQS.SendMessageBatch\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(ANSWER_TIME, stream.read_to_end(&mut answer))
        .await
        .is_ok()
}

#[tokio::test]
async fn a_receive_that_its_client_gave_up_is_abandoned() {
    let stage = Stage::with_history().await;
    let mut stream = TcpStream::connect(stage.server.addr()).await.unwrap();
    let body = json!({"QueueUrl": stage.url, "WaitTimeSeconds": 20}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: h\r\nx-amz-target: AmazonSQS.ReceiveMessage\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let waits = async {
        while stage.sqs.waiting_receives(&stage.url).unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        drop(stream);
        while stage.sqs.history().unwrap().after(0, 1).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(ANSWER_TIME, waits).await.unwrap();
    let history = stage.history("").await;
    assert_eq!(history[0]["result"], "abandoned");
}

#[tokio::test]
async fn confirmed_deletes_are_counted_by_key() {
    let stage = Stage::with_history().await;
    stage.send(&["a", "b", "c", "d", "e"]).await;
    let receipts = stage.receive("AKONE").await;
    stage.delete("AKONE", &[&receipts[0], &receipts[1]]).await;
    stage.delete("AKTWO", &[&receipts[2], &receipts[0]]).await;
    let spec = "lost ops=DeleteMessageBatch count=1";
    stage.control("PUT", "/faults", spec).await;
    stage.delete("AKTWO", &[&receipts[3]]).await;
    stage.delete("AKTWO", &[&receipts[4]]).await;

    let (status, counts) = stage.get("/counts").await;
    assert_eq!(status, 200);
    let counts: Vec<Value> = serde_json::from_str(&counts).unwrap();
    let deletes: Vec<&Value> = counts
        .iter()
        .filter(|count| count["operation"] == "DeleteMessageBatch")
        .collect();
    let count = |key, fault: Value, calls, entries: Value| {
        json!({
            "key": key, "operation": "DeleteMessageBatch", "result": "ok", "fault": fault,
            "calls": calls, "entries": entries,
        })
    };
    assert_eq!(
        deletes,
        [
            &count("AKONE", Value::Null, 1, json!({"deleted": 2})),
            &count("AKTWO", Value::Null, 2, json!({"deleted": 2, "gone": 1})),
            &count("AKTWO", "lost".into(), 1, json!({"deleted": 1})),
        ]
    );
}
