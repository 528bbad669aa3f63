//! The unmodified SDK, for the two who are not the fleet: the producer and the observer.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};

/// How long a call may take: a healthy one takes milliseconds, a long poll a second more.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);

/// Makes a client with an access key of its own, which tries each call once.
pub fn client(endpoint: &str, key: &str) -> Client {
    let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT);
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, "secret", None, None, "chaos"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}
