//! A collector of traces: OTLP over HTTP, decoded by the published protocol.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::patience::until;

/// A collector on loopback that keeps what it gets.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// How it treats those who send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It takes everything.
    Takes,
    /// It answers 500.
    Fails,
    /// It never answers.
    Hangs,
}

/// A span as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Such as `process billing`.
    pub name: String,
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    /// The span that it is part of; empty at the beginning of a trace.
    pub parent: String,
    /// What is said of it, all as text.
    pub attributes: BTreeMap<String, String>,
    /// Spans of other traces that it names.
    pub links: Vec<String>,
    /// Whether it failed.
    pub failed: bool,
    /// Who made it: `service.name` and `process.pid`.
    pub process: (String, String),
}

#[derive(Debug)]
struct Shared {
    manner: Manner,
    requests: Mutex<Vec<(BTreeMap<String, String>, Bytes)>>,
}

impl Collector {
    /// Listens on loopback.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            manner,
            requests: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            addr,
            shared,
            serving,
        }
    }

    /// Returns what `OTEL_EXPORTER_OTLP_ENDPOINT` should be.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns the spans that came so far.
    pub fn spans(&self) -> Vec<Seen> {
        let requests = self.shared.requests();
        let decoded = requests.iter().map(|(_, body)| {
            let decoded = ExportTraceServiceRequest::decode(body.clone());
            decoded.expect("it is a request of the protocol")
        });
        decoded.flat_map(read).collect()
    }

    /// Returns the spans of this name that came so far.
    pub fn named(&self, name: &str) -> Vec<Seen> {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        spans
    }

    /// Waits until there are so many spans of a name, and returns them.
    pub async fn until(&self, count: usize, name: &str) -> Vec<Seen> {
        until(&format!("{count} spans are called {name}"), || async {
            Some(self.named(name)).filter(|spans| spans.len() >= count)
        })
        .await
    }

    /// Tells whether these bytes occur in anything that came.
    pub fn has_seen(&self, text: &str) -> bool {
        let requests = self.shared.requests();
        let mut bodies = requests.iter().map(|(_, body)| body);
        bodies.any(|body| body.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    /// Returns a header of the first request.
    pub fn header(&self, name: &str) -> Option<String> {
        self.shared.requests().first()?.0.get(name).cloned()
    }

    /// Counts the requests.
    pub fn requests(&self) -> usize {
        self.shared.requests().len()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<(BTreeMap<String, String>, Bytes)>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        assert_eq!(parts.uri.path(), "/v1/traces");
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or("").to_owned();
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
        let headers = headers.collect();
        // Who is killed while it sends has sent nothing.
        if let Ok(body) = body.collect().await {
            self.requests().push((headers, body.to_bytes()));
        }
        let mut answer = Response::new(Full::default());
        match self.manner {
            Manner::Takes => {}
            Manner::Fails => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
            Manner::Hangs => std::future::pending().await,
        }
        answer
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // How a connection ends is between its two ends.
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn read(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut seen = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.unwrap_or_default().attributes);
        let of = |name: &str| resource.get(name).cloned().unwrap_or_default();
        let process = (of("service.name"), of("process.pid"));
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            seen.push(Seen::read(span, process.clone()));
        }
    }
    seen
}

impl Seen {
    fn read(span: Span, process: (String, String)) -> Self {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        Self {
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            attributes: texts(span.attributes),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            failed: span
                .status
                .is_some_and(|status| status.code() == SpanStatus::Error),
            process,
        }
    }

    /// Returns an attribute.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter();
    pairs.map(|pair| (pair.key, text(pair.value))).collect()
}
