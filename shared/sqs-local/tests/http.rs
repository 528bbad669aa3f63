//! The wire itself: what SDKs never send, and what a server answers all the same.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sqs_local::http::{Options, Server};
use sqs_local::{CreateQueue, GetQueueAttributes, SendMessage, Sqs};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection that says exactly what it is told to.
struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: String,
    body: Value,
}

impl Answer {
    fn kind(&self) -> &str {
        let shape = self.body["__type"].as_str().unwrap_or_default();
        shape.rsplit('#').next().unwrap_or_default()
    }
}

impl Wire {
    async fn connect(server: &Server) -> Self {
        let stream = BufReader::new(TcpStream::connect(server.addr()).await.unwrap());
        Self {
            stream,
            host: server.addr().to_string(),
        }
    }

    async fn call(&mut self, operation: &str, body: &Value) -> Answer {
        let headers = format!(
            "x-amz-target: AmazonSQS.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\n"
        );
        self.post(&headers, body.to_string().as_bytes()).await
    }

    async fn post(&mut self, headers: &str, body: &[u8]) -> Answer {
        self.request(headers, body).await;
        tokio::time::timeout(ANSWER_TIME, self.answer())
            .await
            .expect("an answer in time")
    }

    async fn request(&mut self, headers: &str, body: &[u8]) {
        let (host, length) = (&self.host, body.len());
        let head =
            format!("POST / HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\n\r\n");
        self.stream
            .get_mut()
            .write_all(head.as_bytes())
            .await
            .unwrap();
        self.stream.get_mut().write_all(body).await.unwrap();
    }

    async fn answer(&mut self) -> Answer {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut headers).await.unwrap();
            assert_ne!(read, 0, "the connection ended after {headers:?}");
        }
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        let length = headers.split("content-length: ").nth(1).unwrap();
        let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap(),
        }
    }
}

async fn server() -> (Server, Sqs, String) {
    let sqs = Sqs::default();
    let request = CreateQueue {
        queue_name: "orders".into(),
        ..CreateQueue::default()
    };
    let url = sqs.create_queue(request).await.unwrap().queue_url;
    (
        Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap(),
        sqs,
        url,
    )
}

/// Far more than any answer takes here, and less than anybody likes to wait for a failure.
const ANSWER_TIME: Duration = Duration::from_secs(10);
const JSON: &str = "content-type: application/x-amz-json-1.0\r\n";
const SEND: &str = "x-amz-target: AmazonSQS.SendMessage\r\n";

#[tokio::test]
async fn an_error_names_itself_in_both_protocols() {
    let (server, ..) = server().await;
    let mut wire = Wire::connect(&server).await;
    let answer = wire
        .call("GetQueueUrl", &json!({"QueueName": "nowhere"}))
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    assert_eq!(
        answer.body["message"],
        "The specified queue does not exist."
    );
    for header in [
        "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n",
        "content-type: application/x-amz-json-1.0\r\n",
        "x-amzn-requestid: ",
    ] {
        assert!(
            answer.headers.contains(header),
            "{header:?} in {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn requests_that_are_none_are_the_senders_fault() {
    let (server, ..) = server().await;
    let mut wire = Wire::connect(&server).await;
    let unknown = "x-amz-target: AmazonSQS.Nothing\r\n";
    let other = "x-amz-target: DynamoDB_20120810.ListTables\r\n";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (headers, body, status, kind) in [
        (format!("{SEND}{JSON}"), "{", 400, "SerializationException"),
        (
            format!("{SEND}{JSON}"),
            "[]x",
            400,
            "SerializationException",
        ),
        (
            format!("{SEND}{JSON}"),
            &deep,
            400,
            "SerializationException",
        ),
        (
            format!("{SEND}{JSON}"),
            r#"{"QueueUrl":1}"#,
            400,
            "SerializationException",
        ),
        (
            format!("{SEND}{JSON}"),
            r#"{"DelaySeconds":99999999999}"#,
            400,
            "SerializationException",
        ),
        (
            format!("{SEND}{JSON}"),
            "\u{0}",
            400,
            "SerializationException",
        ),
        (
            format!("{SEND}{JSON}"),
            "{}",
            400,
            "MissingRequiredParameterException",
        ),
        (
            format!("{SEND}{JSON}"),
            "",
            400,
            "MissingRequiredParameterException",
        ),
        (
            format!("{unknown}{JSON}"),
            "{}",
            400,
            "UnknownOperationException",
        ),
        (
            format!("{other}{JSON}"),
            "{}",
            400,
            "UnknownOperationException",
        ),
        (JSON.to_owned(), "{}", 400, "UnknownOperationException"),
        (SEND.to_owned(), "{}", 415, "UnsupportedMediaTypeException"),
        (
            format!("{SEND}content-type: application/json\r\n"),
            "{}",
            415,
            "UnsupportedMediaTypeException",
        ),
    ] {
        let answer = wire.post(&headers, body.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.kind()),
            (status, kind),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let (server, ..) = server().await;
    let mut wire = Wire::connect(&server).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: h\r\n{SEND}{JSON}content-length: {}\r\n\r\n",
        sqs_local::limits::REQUEST_BYTES_MAX + 1
    );
    wire.stream
        .get_mut()
        .write_all(head.as_bytes())
        .await
        .unwrap();
    // Its first byte is enough: the length is known.
    wire.stream.get_mut().write_all(b"{").await.unwrap();
    let answer = tokio::time::timeout(ANSWER_TIME, wire.answer())
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.kind()),
        (413, "RequestEntityTooLargeException")
    );
}

#[tokio::test]
async fn a_queue_is_found_by_its_path_and_named_by_the_callers_host() {
    let (server, ..) = server().await;
    let mut wire = Wire::connect(&server).await;
    wire.host = "queues.example:99".to_owned();
    let answer = wire
        .call("GetQueueUrl", &json!({"QueueName": "orders"}))
        .await;
    assert_eq!(
        answer.body["QueueUrl"],
        "http://queues.example:99/000000000000/orders"
    );
    for url in [
        "https://elsewhere/000000000000/orders",
        "/000000000000/orders",
    ] {
        let answer = wire
            .call("SendMessage", &json!({"QueueUrl": url, "MessageBody": "a"}))
            .await;
        assert_eq!(answer.status, 200, "{url}");
    }
    let answer = wire
        .call("PurgeQueue", &json!({"QueueUrl": "orders"}))
        .await;
    assert_eq!((answer.status, answer.kind()), (404, "InvalidAddress"));
}

#[tokio::test]
async fn the_sender_is_the_access_key_of_the_signature() {
    let (server, _, url) = server().await;
    let mut wire = Wire::connect(&server).await;
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=AKIDME/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n";
    let send = json!({"QueueUrl": url, "MessageBody": "a"}).to_string();
    wire.post(&format!("{SEND}{JSON}{signed}"), send.as_bytes())
        .await;
    wire.post(&format!("{SEND}{JSON}"), send.as_bytes()).await;
    let receive = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["SenderId"],
    });
    let answer = wire.call("ReceiveMessage", &receive).await;
    assert_eq!(
        answer.body["Messages"][0]["Attributes"]["SenderId"],
        "AKIDME"
    );
    assert_eq!(
        answer.body["Messages"][1]["Attributes"]["SenderId"],
        "anonymous"
    );
}

#[tokio::test]
async fn a_long_poll_goes_on_when_its_client_goes_away() {
    let (server, sqs, url) = server().await;
    let mut gone = Wire::connect(&server).await;
    let receive = json!({"QueueUrl": url, "WaitTimeSeconds": 20}).to_string();
    let target = "x-amz-target: AmazonSQS.ReceiveMessage\r\n";
    gone.request(&format!("{target}{JSON}"), receive.as_bytes())
        .await;
    until(|| sqs.waiting_receives(&url).unwrap() == 1).await;
    drop(gone);
    let send = SendMessage {
        queue_url: url.clone(),
        message_body: "a".into(),
        ..SendMessage::default()
    };
    sqs.send_message(send).await.unwrap();
    let name = "ApproximateNumberOfMessagesNotVisible";
    let ask = GetQueueAttributes {
        queue_url: url,
        attribute_names: vec![name.to_owned()],
    };
    let counts = sqs.get_queue_attributes(ask).await.unwrap().attributes;
    assert_eq!(counts[name], "1", "in flight, and nobody has it");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_those_who_wait() {
    let (server, sqs, url) = server().await;
    let mut wire = Wire::connect(&server).await;
    let receive = json!({"QueueUrl": url, "WaitTimeSeconds": 20}).to_string();
    let target = "x-amz-target: AmazonSQS.ReceiveMessage\r\n";
    wire.request(&format!("{target}{JSON}"), receive.as_bytes())
        .await;
    until(|| sqs.waiting_receives(&url).unwrap() == 1).await;
    let addr = server.addr();
    tokio::time::timeout(Duration::from_secs(10), server.shutdown())
        .await
        .unwrap();
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn latency_holds_each_answer_back() {
    let latency = Duration::from_millis(30);
    let sqs = Sqs::default();
    let server = Server::bind_with("127.0.0.1:0", sqs, Options { latency })
        .await
        .unwrap();
    let mut wire = Wire::connect(&server).await;
    let start = std::time::Instant::now();
    assert_eq!(wire.call("ListQueues", &json!({})).await.status, 200);
    assert!(start.elapsed() >= latency);
}

/// Waits for something that another task brings about and nothing announces.
async fn until(happened: impl Fn() -> bool) {
    let looks = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looks)
        .await
        .expect("it happens in 10 s");
}

/// Any JSON, with names and values that some operation knows.
fn hostile() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("/000000000000/orders".to_owned()),
        Just("All".to_owned()),
        Just("String".to_owned()),
        Just("\u{0}".to_owned()),
        Just("{}".to_owned()),
        Just("9".repeat(400)),
        any::<String>(),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "QueueUrl",
            "QueueName",
            "Attributes",
            "AttributeNames",
            "MessageBody",
            "Entries",
            "Id",
            "ReceiptHandle",
            "VisibilityTimeout",
            "DelaySeconds",
            "MaxNumberOfMessages",
            "MessageAttributes",
            "DataType",
            "StringValue",
            "BinaryValue",
            "RedrivePolicy",
            "MessageAttributeNames",
            "NextToken",
            "MaxResults",
            "MessageGroupId",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2..12).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    value.prop_map(|value| match value {
        Value::Object(mut fields) => {
            fields
                .entry("QueueUrl")
                .or_insert_with(|| "/000000000000/orders".into());
            Value::Object(fields)
        }
        other => other,
    })
}

#[test]
fn hostile_requests_are_answered_and_never_with_a_failure_of_the_server() {
    const OPERATIONS: [&str; 14] = [
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "CreateQueue",
        "GetQueueUrl",
        "ListQueues",
        "ListDeadLetterSourceQueues",
        "GetQueueAttributes",
        "SetQueueAttributes",
        "PurgeQueue",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, _sqs, _) = runtime.block_on(server());
    let mut runner = TestRunner::new(Config {
        cases: 400,
        ..Config::default()
    });
    let cases = (prop::sample::select(OPERATIONS.to_vec()), hostile());
    runner
        .run(&cases, |(operation, mut body)| {
            if let Some(fields) = body.as_object_mut() {
                // A receive that may wait is not hostile, only slow.
                fields.insert("WaitTimeSeconds".to_owned(), 0.into());
                fields.remove("ReceiveMessageWaitTimeSeconds");
            }
            let answer = runtime.block_on(async {
                let mut wire = Wire::connect(&server).await;
                wire.call(operation, &body).await
            });
            prop_assert!(answer.status < 500, "{answer:?}");
            Ok(())
        })
        .unwrap();
}
