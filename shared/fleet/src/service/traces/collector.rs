use std::io;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tokio::time::timeout;

use crate::service::config::{Endpoint, Headers};

/// An answer names what was rejected, and is a few bytes; more is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where spans go: OTLP over HTTP, as protobuf.
///
/// Source: OpenTelemetry protocol specification, "OTLP/HTTP".
#[derive(Debug)]
pub(super) struct Collector {
    client: Wire,
    uri: Uri,
    headers: Headers,
    timeout: Duration,
    resource: ResourceAttributesWithSchema,
}

/// The way there: in the clear, or by TLS with the roots of this system.
#[derive(Debug)]
enum Wire {
    Http(Client<HttpConnector, Full<Bytes>>),
    Https(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// Why a batch was not taken. Neither spans nor headers are part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error("the request cannot be made")]
    Request(#[from] hyper::http::Error),
    #[error("the collector cannot be reached")]
    Unreachable(#[from] ClientError),
    #[error("the collector did not answer within {0:?}")]
    Silent(Duration),
    #[error("the collector answered {0}")]
    Refused(StatusCode),
    #[error("the collector's answer cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Collector {
    /// Makes a client; nothing is connected before the first batch.
    ///
    /// # Errors
    ///
    /// The system's roots for TLS cannot be read.
    pub(super) fn new(
        endpoint: &Endpoint,
        headers: Headers,
        timeout: Duration,
        resource: &Resource,
    ) -> io::Result<Self> {
        let client = Client::builder(TokioExecutor::new());
        let client = if endpoint.uri().scheme_str() == Some("https") {
            let connector = HttpsConnectorBuilder::new().with_native_roots()?;
            Wire::Https(client.build(connector.https_only().enable_http1().build()))
        } else {
            Wire::Http(client.build_http())
        };
        Ok(Self {
            client,
            uri: endpoint.uri().clone(),
            headers,
            timeout,
            resource: ResourceAttributesWithSchema::from(resource),
        })
    }

    /// Sends a batch, and returns how many of its spans the collector rejected.
    ///
    /// # Errors
    ///
    /// None of them was taken, as far as is known.
    ///
    /// # Cancellation
    ///
    /// The batch may or may not have arrived.
    pub(super) async fn send(&self, spans: Vec<SpanData>) -> Result<u64, ExportError> {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let exchanged = timeout(self.timeout, self.exchange(body.into())).await;
        exchanged.map_err(|_| ExportError::Silent(self.timeout))?
    }

    async fn exchange(&self, body: Bytes) -> Result<u64, ExportError> {
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        let mut request = Request::post(self.uri.clone()).header(CONTENT_TYPE, protobuf);
        for (name, value) in self.headers.iter() {
            request = request.header(name, value);
        }
        let answer = self.client.request(request.body(Full::new(body))?).await?;
        if !answer.status().is_success() {
            return Err(ExportError::Refused(answer.status()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(ExportError::Unreadable)?.to_bytes();
        // Some answer a success with JSON or with nothing: it is one all the same.
        let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
        let rejected = answer.partial_success.map_or(0, |part| part.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }
}

impl Wire {
    async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        match self {
            Self::Http(client) => client.request(request).await,
            Self::Https(client) => client.request(request).await,
        }
    }
}
