use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::call::finish;
use super::encrypted::OnlyEncrypted;
use super::handle::SqsQueue;
use crate::queue::{Directory, Queue, QueueError};
use crate::service::metrics::SqsMetrics;

/// How long a call that does not poll may take: a healthy one takes milliseconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer than its wait a long poll may take before it counts as hung.
const POLL_MARGIN: Duration = Duration::from_secs(5);

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The most source queues of one page.
///
/// Source: SQS API reference, `ListDeadLetterSourceQueues`.
const SOURCES_A_PAGE: i32 = 1_000;

/// The account: credentials, region and endpoint as the AWS SDK finds them.
#[derive(Clone, Debug)]
pub struct Sqs {
    config: SdkConfig,
    pub(super) metrics: SqsMetrics,
}

/// What a client is for; clients share no connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    timeout: Duration,
}

impl ClientOptions {
    /// Options for long polls of up to `wait`: an attempt is given up 5 s after it.
    pub fn receiving(wait: Duration) -> Self {
        Self {
            timeout: wait + POLL_MARGIN,
        }
    }

    /// Options for every other call: an attempt is given up after 5 s.
    pub fn calling() -> Self {
        Self {
            timeout: CALL_TIMEOUT,
        }
    }
}

impl Sqs {
    /// Reads the SDK's configuration from the environment, profiles and instance roles.
    ///
    /// Credentials are fetched at the first call, so that an outage of their
    /// source does not end the start.
    pub async fn connect() -> Self {
        // The sources of region and credentials need a client too: instance roles, SSO, STS.
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https())
            .load()
            .await;
        Self {
            config,
            metrics: SqsMetrics::new(),
        }
    }

    /// Speaks to a stand-in on this machine with fixed test credentials; the environment has no say.
    pub fn local(endpoint: &str) -> Self {
        let credentials = Credentials::from_keys("test", "test", None);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .build();
        Self {
            config,
            metrics: SqsMetrics::new(),
        }
    }

    /// Returns a queue with a client of its own.
    pub fn queue(&self, url: &str, options: ClientOptions) -> SqsQueue {
        SqsQueue {
            client: self.client(options),
            url: url.to_owned(),
            metrics: self.metrics.clone(),
            attempts: Arc::default(),
            visibility: None,
            is_verbatim: false,
        }
    }

    /// Looks up the URL of a queue by its name.
    ///
    /// # Errors
    ///
    /// `NoSuchQueue` when there is none, and the errors of every call.
    pub async fn url_of(&self, name: &str) -> Result<String, QueueError> {
        let call = self
            .client(ClientOptions::calling())
            .get_queue_url()
            .queue_name(name);
        let answer = finish(&self.metrics, "GetQueueUrl", call.send()).await?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    /// Lists the URLs of the queues that have this one as their dead-letter queue.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn sources_of(&self, url: &str) -> Result<Vec<String>, QueueError> {
        let client = self.client(ClientOptions::calling());
        let (mut sources, mut page) = (Vec::new(), None);
        loop {
            let call = client
                .list_dead_letter_source_queues()
                .queue_url(url)
                .max_results(SOURCES_A_PAGE)
                .set_next_token(page);
            let answer = finish(&self.metrics, "ListDeadLetterSourceQueues", call.send()).await?;
            sources.extend(answer.queue_urls);
            page = answer.next_token;
            if page.is_none() {
                return Ok(sources);
            }
        }
    }

    /// Creates a queue and returns its URL; one that is there with the same attributes is returned.
    ///
    /// # Errors
    ///
    /// `Refused` when there is one with other attributes, and the errors of every call.
    pub async fn create(
        &self,
        name: &str,
        attributes: &[(&str, String)],
    ) -> Result<String, QueueError> {
        let client = self.client(ClientOptions::calling());
        let mut call = client.create_queue().queue_name(name);
        for (name, value) in attributes {
            call = call.attributes(QueueAttributeName::from(*name), value);
        }
        let answer = finish(&self.metrics, "CreateQueue", call.send()).await?;
        Ok(answer.queue_url.unwrap_or_default())
    }

    /// Returns the endpoint that the environment names instead of AWS's own, if it does.
    pub fn endpoint(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    /// Returns the region that the environment or a profile names.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    pub(super) fn client(&self, options: ClientOptions) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(options.timeout)
            .build();
        // Retries are the callers': a receive must not repeat itself behind the
        // lease clock, and of a batch only some entries are worth repeating.
        let config = aws_sdk_sqs::config::Builder::from(&self.config)
            .http_client(https())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .interceptor(OnlyEncrypted)
            .build();
        Client::from_conf(config)
    }
}

#[async_trait]
impl Directory for Sqs {
    async fn find(&self, name: &str) -> Result<Arc<dyn Queue>, QueueError> {
        let url = self.url_of(name).await?;
        Ok(Arc::new(self.queue(&url, ClientOptions::calling())))
    }
}

/// Makes an HTTP client with connections of its own.
fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}
