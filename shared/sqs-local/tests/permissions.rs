//! Permissions by access key, as clients on the wire see them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sqs_local::http::{Control, Server};
use sqs_local::{CreateQueue, ListQueues, Sqs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than any answer takes here, and less than anybody likes to wait for a failure.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A server with `orders`, its dead-letter queue and `others`.
struct Stage {
    server: Server,
    sqs: Sqs,
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Stage {
    async fn new() -> Self {
        let sqs = Sqs::default();
        let redrive = json!({"deadLetterTargetArn": arn("orders-dlq"), "maxReceiveCount": 9});
        for (name, attributes) in [
            ("orders-dlq", vec![]),
            (
                "orders",
                vec![("RedrivePolicy".to_owned(), redrive.to_string())],
            ),
            ("others", vec![]),
        ] {
            let create = CreateQueue {
                queue_name: name.into(),
                attributes: attributes.into_iter().collect(),
                ..CreateQueue::default()
            };
            sqs.create_queue(create).await.unwrap();
        }
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
        Self { server, sqs }
    }

    /// Lets the key `AKID` do these things to these queues, and nobody anything else.
    fn allow(&self, allowed: &[(&str, &str)]) {
        let statements: Vec<Value> = allowed
            .iter()
            .map(|(action, queue)| {
                json!({"Effect": "Allow", "Action": format!("sqs:{action}"), "Resource": arn(queue)})
            })
            .collect();
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let permissions = json!({ "AKID": [policy] }).to_string();
        self.sqs.set_permissions(permissions.parse().unwrap());
    }

    async fn call(&self, key: Option<&str>, operation: &str, fields: &Value) -> Answer {
        let signed = key.map(|key| {
            format!(
                "authorization: AWS4-HMAC-SHA256 \
                 Credential={key}/20260101/us-east-1/sqs/aws4_request\r\n"
            )
        });
        let headers = format!(
            "x-amz-target: AmazonSQS.{operation}\r\ncontent-type: application/x-amz-json-1.0\r\n{}",
            signed.unwrap_or_default()
        );
        exchange(self.server.addr(), "POST /", &headers, &fields.to_string()).await
    }
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn url(queue: &str) -> String {
    format!("http://h/000000000000/{queue}")
}

/// Sends a request on a connection of its own and reads the answer to its end.
async fn exchange(addr: SocketAddr, line: &str, headers: &str, body: &str) -> Answer {
    let all = async {
        let mut stream = TcpStream::connect(addr).await?;
        let request = format!(
            "{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(ANSWER_TIME, all).await;
    let answer = answer.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn a_refusal_names_user_action_and_resource() {
    let stage = Stage::new().await;
    stage.allow(&[("ReceiveMessage", "orders")]);
    let send = json!({"QueueUrl": url("orders"), "MessageBody": "x"});
    let refused = stage.call(Some("AKID"), "SendMessage", &send).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json(),
        json!({
            "__type": "com.amazon.coral.service#AccessDeniedException",
            "message": "User: arn:aws:iam::000000000000:user/AKID is not authorized to perform: \
                        sqs:sendmessage on resource: arn:aws:sqs:us-east-1:000000000000:orders \
                        because no identity-based policy allows the sqs:sendmessage action",
        })
    );
    assert!(
        refused
            .head
            .contains("x-amzn-query-error: AccessDenied;Sender"),
        "{refused:?}"
    );
    let attributes = json!({"QueueUrl": url("orders"), "AttributeNames": ["All"]});
    stage.sqs.clear_permissions();
    let counts = stage.call(None, "GetQueueAttributes", &attributes).await;
    let counts = counts.json();
    assert_eq!(counts["Attributes"]["ApproximateNumberOfMessages"], "0");
}

#[tokio::test]
async fn who_is_not_known_may_not_even_ask() {
    let stage = Stage::new().await;
    stage.allow(&[("ListQueues", "*")]);
    let list = json!({});
    let unknown = stage.call(Some("AKOTHER"), "ListQueues", &list).await;
    assert_eq!(unknown.status, 403);
    assert_eq!(
        unknown.json()["__type"],
        "com.amazon.coral.service#UnrecognizedClientException"
    );
    let query_error = "x-amzn-query-error: InvalidClientTokenId;Sender";
    assert!(unknown.head.contains(query_error), "{unknown:?}");
    let nobody = stage.call(None, "ListQueues", &list).await;
    assert_eq!(nobody.status, 403);
    assert_eq!(
        nobody.json()["__type"],
        "com.amazon.coral.service#MissingAuthenticationTokenException"
    );
    assert_eq!(
        stage.call(Some("AKID"), "ListQueues", &list).await.status,
        200
    );
}

#[tokio::test]
async fn each_call_needs_its_action_on_its_queue() {
    let stage = Stage::new().await;
    let queue_url = url("orders");
    let receipt = "bm9uZQ==";
    let entry =
        json!([{"Id": "1", "MessageBody": "x", "ReceiptHandle": receipt, "VisibilityTimeout": 0}]);
    let check = async |operation: &str, fields: Value, needed: &str| {
        stage.allow(&[(needed, "orders")]);
        let allowed = stage.call(Some("AKID"), operation, &fields).await;
        assert_ne!(allowed.status, 403, "{operation}: {allowed:?}");
        stage.allow(&[(needed, "others")]);
        let elsewhere = stage.call(Some("AKID"), operation, &fields).await;
        assert_eq!(elsewhere.status, 403, "{operation}: {elsewhere:?}");
        stage.allow(&[("NoSuchAction", "orders")]);
        let otherwise = stage.call(Some("AKID"), operation, &fields).await;
        assert_eq!(otherwise.status, 403, "{operation}: {otherwise:?}");
    };
    let about = |mut more: Value| {
        more["QueueUrl"] = queue_url.clone().into();
        more
    };
    check(
        "SendMessage",
        about(json!({"MessageBody": "x"})),
        "SendMessage",
    )
    .await;
    let batch = || about(json!({ "Entries": entry }));
    check("SendMessageBatch", batch(), "SendMessage").await;
    check("ReceiveMessage", about(json!({})), "ReceiveMessage").await;
    let by_receipt = || about(json!({"ReceiptHandle": receipt, "VisibilityTimeout": 0}));
    check("DeleteMessage", by_receipt(), "DeleteMessage").await;
    check("DeleteMessageBatch", batch(), "DeleteMessage").await;
    check(
        "ChangeMessageVisibility",
        by_receipt(),
        "ChangeMessageVisibility",
    )
    .await;
    check(
        "ChangeMessageVisibilityBatch",
        batch(),
        "ChangeMessageVisibility",
    )
    .await;
    check("GetQueueAttributes", about(json!({})), "GetQueueAttributes").await;
    check("GetQueueUrl", json!({"QueueName": "orders"}), "GetQueueUrl").await;
    check("CreateQueue", json!({"QueueName": "orders"}), "CreateQueue").await;
    check("PurgeQueue", about(json!({})), "PurgeQueue").await;
    check("ListQueueTags", about(json!({})), "ListQueueTags").await;
    check(
        "ListDeadLetterSourceQueues",
        about(json!({})),
        "ListDeadLetterSourceQueues",
    )
    .await;
}

#[tokio::test]
async fn a_move_task_needs_what_moving_by_hand_needs() {
    let stage = Stage::new().await;
    let all = [
        ("StartMessageMoveTask", "orders-dlq"),
        ("ReceiveMessage", "orders-dlq"),
        ("DeleteMessage", "orders-dlq"),
        ("GetQueueAttributes", "orders-dlq"),
        ("SendMessage", "others"),
    ];
    let start = json!({"SourceArn": arn("orders-dlq"), "DestinationArn": arn("others")});
    for missing in all {
        let rest: Vec<_> = all.into_iter().filter(|one| *one != missing).collect();
        stage.allow(&rest);
        let refused = stage
            .call(Some("AKID"), "StartMessageMoveTask", &start)
            .await;
        assert_eq!(refused.status, 403, "without {missing:?}: {refused:?}");
        let action = missing.0.to_ascii_lowercase();
        assert!(refused.body.contains(&action), "{missing:?}: {refused:?}");
    }
    stage.allow(&all);
    let started = stage
        .call(Some("AKID"), "StartMessageMoveTask", &start)
        .await;
    assert_eq!(started.status, 200, "{started:?}");

    let cancel = json!({"TaskHandle": started.json()["TaskHandle"]});
    let refused = stage
        .call(Some("AKID"), "CancelMessageMoveTask", &cancel)
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains(&arn("orders-dlq")), "{refused:?}");
}

#[tokio::test]
async fn refusals_are_part_of_the_history_and_calls_in_process_are_not_asked() {
    let stage = Stage::new().await;
    stage.sqs.keep_history();
    stage.allow(&[]);
    let url = json!({"QueueName": "orders"});
    stage.call(Some("AKID"), "GetQueueUrl", &url).await;
    let history = stage.sqs.history().unwrap().after(0, 9);
    let [refused] = &history[..] else {
        panic!("{history:?}");
    };
    assert_eq!((&*refused.key, refused.operation), ("AKID", "GetQueueUrl"));
    assert_eq!(refused.result, "AccessDeniedException");
    let listed = stage.sqs.list_queues(ListQueues::default()).await.unwrap();
    assert_eq!(listed.queue_urls.len(), 3);
}

#[tokio::test]
async fn the_control_port_sets_permissions_and_takes_them_away() {
    let stage = Stage::new().await;
    let control = Control::bind("127.0.0.1:0", stage.sqs.clone())
        .await
        .unwrap();
    let ask = |line: &'static str, body: &'static str| exchange(control.addr(), line, "", body);
    let list = async || {
        stage
            .call(Some("AKID"), "ListQueues", &json!({}))
            .await
            .status
    };
    assert_eq!(list().await, 200);
    assert_eq!(ask("PUT /permissions", r#"{"AKID":[]}"#).await.status, 204);
    assert_eq!(list().await, 403);
    let wrong = ask("PUT /permissions", r#"{"AKID":[{}]}"#).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.starts_with("permissions: "), "{wrong:?}");
    assert_eq!(list().await, 403, "what cannot be read changes nothing");
    assert_eq!(ask("GET /permissions", "").await.status, 405);
    assert_eq!(ask("DELETE /permissions", "").await.status, 204);
    assert_eq!(list().await, 200);
}
