//! The faults of sqs-local as the unmodified Rust SDK takes them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is its report"
)]

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::join_all;
use sqs_local::http::Server;
use sqs_local::{CreateQueue, Sqs};

/// When the client gives a call up; far more than one takes that no fault holds up, on a machine
/// that is as busy as may be.
const ATTEMPT_TIME: Duration = Duration::from_secs(5);

struct Stage {
    client: Client,
    sqs: Sqs,
    url: String,
    _server: Server,
}

impl Stage {
    /// Starts with a client that tries so often.
    async fn new(attempts: u32, spec: &str) -> Self {
        let sqs = Sqs::default();
        sqs.keep_history();
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
        let request = CreateQueue {
            queue_name: "orders".into(),
            ..CreateQueue::default()
        };
        let url = sqs.create_queue(request).await.unwrap().queue_url;
        sqs.set_faults(spec.parse().unwrap());
        let retry = RetryConfig::standard()
            .with_max_attempts(attempts)
            .with_initial_backoff(Duration::from_millis(1));
        let timeout = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIME)
            .build();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDTEST", "secret", None, None, "test"))
            .endpoint_url(server.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(retry)
            .timeout_config(timeout)
            .build();
        Self {
            client: Client::from_conf(config),
            sqs,
            url,
            _server: server,
        }
    }

    async fn send(&self) -> Result<(), SdkError<impl std::fmt::Debug>> {
        let send = self.client.send_message().queue_url(&self.url);
        send.message_body("a").send().await.map(drop)
    }

    /// The faults and results of the calls so far, the making of the queue apart.
    fn told(&self) -> Vec<(Option<&'static str>, &'static str)> {
        let calls = self.sqs.history().unwrap().after(1, usize::MAX);
        calls.iter().map(|call| (call.fault, call.result)).collect()
    }
}

#[tokio::test]
async fn the_sdk_corrects_its_clock_by_the_date_of_the_refusal() {
    for by in ["-20m", "20m"] {
        let stage = Stage::new(3, &format!("skew by={by}")).await;
        stage.send().await.unwrap();
        assert_eq!(
            stage.told(),
            [
                (Some("skew"), "InvalidSignatureException"),
                (Some("skew"), "ok")
            ],
            "{by}"
        );
        stage.send().await.unwrap();
        assert_eq!(stage.told().len(), 3, "{by}: it remembers");
    }
}

#[tokio::test]
async fn the_sdk_repeats_what_may_succeed_the_next_time() {
    let check = |(fault, result): (&'static str, &'static str)| async move {
        let stage = Stage::new(2, &format!("{fault} count=1")).await;
        stage.send().await.unwrap();
        let kind = fault.split(' ').next();
        assert_eq!(stage.told(), [(kind, result), (None, "ok")], "{fault}");
    };
    let cases = [
        ("error", "InternalFailure"),
        ("unavailable", "ServiceUnavailableException"),
        ("throttle", "ThrottlingException"),
        ("throttle code=RequestThrottled", "RequestThrottled"),
        ("lost", "ok"),
        ("truncate", "ok"),
        ("reset", "ServiceUnavailableException"),
        ("hang", "ServiceUnavailableException"),
        ("drip", "ok"),
    ];
    join_all(cases.map(check)).await;
}

#[tokio::test]
async fn expired_credentials_have_their_code_and_are_not_tried_again() {
    let stage = Stage::new(3, "expired").await;
    let send = stage.client.send_message().queue_url(&stage.url);
    let error = send.message_body("a").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert_eq!(stage.told().len(), 1);
}

#[tokio::test]
async fn entries_that_failed_are_where_the_sdk_looks_for_them() {
    let stage = Stage::new(1, "partial share=1").await;
    let entry = SendMessageBatchRequestEntry::builder().id("1");
    let entry = entry.message_body("a").build().unwrap();
    let batch = stage.client.send_message_batch().queue_url(&stage.url);
    let outcome = batch.entries(entry).send().await.unwrap();
    assert!(outcome.successful().is_empty());
    let failed = &outcome.failed()[0];
    assert_eq!(
        (failed.code(), failed.sender_fault()),
        ("InternalError", false)
    );
}
