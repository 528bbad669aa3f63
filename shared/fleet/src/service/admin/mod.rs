//! The read-only HTTP of a process: probes and metrics.

mod connection;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::connection::{LIMITS, Limits, Patient};
use super::health::Health;
use super::metrics::Recorder;

/// How often samples are sorted into buckets, so that they do not pile up
/// between two scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(1);

/// The media type of Prometheus's text format.
///
/// Source: Prometheus, "Exposition formats".
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why the address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("ADMIN_ADDR={addr} cannot be listened on; choose a free address, or port 0 for any")]
pub struct AdminError {
    /// The address that was asked for.
    pub addr: SocketAddr,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

/// A bound address that is not served yet.
#[derive(Debug)]
pub struct AdminServer {
    listener: std::net::TcpListener,
    addr: SocketAddr,
}

impl AdminServer {
    /// Binds the address; port 0 takes a free one. Needs no runtime.
    ///
    /// # Errors
    ///
    /// Names `ADMIN_ADDR` and the address when it is taken or not ours.
    pub fn bind(addr: SocketAddr) -> Result<Self, AdminError> {
        let bind = || {
            let listener = std::net::TcpListener::bind(addr)?;
            listener.set_nonblocking(true)?;
            let addr = listener.local_addr()?;
            Ok(Self { listener, addr })
        };
        bind().map_err(|source| AdminError { addr, source })
    }

    /// Returns the address that is listened on, with its real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown`, and lets answers under way end; runs the
    /// recorder's upkeep meanwhile.
    ///
    /// To be run on a thread that no handler can block.
    ///
    /// # Cancellation
    ///
    /// Breaks off the answers under way.
    pub async fn serve(self, health: Health, recorder: Recorder, shutdown: CancellationToken) {
        let upkept = recorder.clone();
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
            loop {
                ticks.tick().await;
                upkept.upkeep();
            }
        };
        tokio::select! {
            served = self.answer(router(health, recorder), LIMITS, shutdown) => {
                if let Err(error) = served {
                    tracing::error!(%error, "probes and metrics are not served");
                }
            }
            never = upkeep => never,
        }
    }

    /// Fails only at the beginning: a failed accept is tried again.
    async fn answer(
        self,
        router: Router,
        limits: Limits,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let listener = Patient::new(TcpListener::from_std(self.listener)?, limits);
        axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

#[derive(Clone)]
struct Shown {
    health: Health,
    recorder: Recorder,
}

fn router(health: Health, recorder: Recorder) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::map_response(one_answer))
        .with_state(Shown { health, recorder })
}

async fn index() -> Json<Index> {
    Json(Index {
        service: "fleet",
        paths: ["/livez", "/readyz", "/startupz", "/metrics"],
    })
}

async fn livez(State(shown): State<Shown>) -> Response {
    let report = shown.health.live();
    verdict(report.ok, report)
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let report = shown.health.ready();
    verdict(report.ok, report)
}

async fn startupz(State(shown): State<Shown>) -> Response {
    let report = shown.health.started();
    verdict(report.ok, report)
}

async fn metrics(State(shown): State<Shown>) -> Response {
    (
        [(header::CONTENT_TYPE, PROMETHEUS_TEXT)],
        shown.recorder.render(),
    )
        .into_response()
}

async fn not_found() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "there is nothing here; / lists what there is",
    )
}

async fn not_allowed() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "this is read-only; use GET")
}

/// Lets the connection end with its answer: requests are seconds apart, and a
/// time limit on the connection is then one on the request.
async fn one_answer(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("close"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

#[derive(Serialize)]
struct Index {
    service: &'static str,
    paths: [&'static str; 4],
}

#[derive(Serialize)]
struct Refusal {
    error: &'static str,
}

fn verdict(ok: bool, report: impl Serialize) -> Response {
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

fn refusal(status: StatusCode, error: &'static str) -> Response {
    (status, Json(Refusal { error })).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    const LOOPBACK: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// Serves on a free port until the token is dropped.
    fn served(health: Health, limits: Limits) -> (SocketAddr, tokio_util::sync::DropGuard) {
        let server = AdminServer::bind(LOOPBACK).expect("a free port");
        let (addr, shutdown) = (server.addr(), CancellationToken::new());
        let router = router(health, Recorder::idle());
        tokio::spawn(server.answer(router, limits, shutdown.clone()));
        (addr, shutdown.drop_guard())
    }

    /// Sends a request and returns the whole answer, head included.
    async fn ask(addr: SocketAddr, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.expect("a connection");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: fleet\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("the server ends the connection");
        answer
    }

    #[tokio::test]
    async fn probes_answer_with_their_report() {
        let health = Health::new();
        let (addr, _guard) = served(health.clone(), LIMITS);
        let livez = ask(addr, "GET", "/livez").await;
        assert!(livez.starts_with("HTTP/1.1 200 OK\r\n"), "{livez}");
        assert!(
            ask(addr, "GET", "/startupz")
                .await
                .starts_with("HTTP/1.1 503")
        );
        health.set_started();
        health.set_check("database", Err("connection refused".to_owned()));
        let readyz = ask(addr, "GET", "/readyz").await;
        assert!(readyz.starts_with("HTTP/1.1 503"), "{readyz}");
        assert!(readyz.ends_with(r#""database":{"ok":false,"error":"connection refused"}}}"#));
        health.set_check("database", Ok(()));
        assert!(
            ask(addr, "GET", "/readyz")
                .await
                .starts_with("HTTP/1.1 200")
        );
        assert!(
            ask(addr, "HEAD", "/startupz")
                .await
                .starts_with("HTTP/1.1 200")
        );
    }

    #[tokio::test]
    async fn metrics_are_prometheus_text() {
        let (addr, _guard) = served(Health::new(), LIMITS);
        let answer = ask(addr, "GET", "/metrics").await;
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        assert!(answer.contains(r#"fleet_build_info{version="1.2.3",commit="abcdef"} 1"#));
        assert!(
            answer.contains("process_resident_memory_bytes "),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn nothing_else_is_answered() {
        let (addr, _guard) = served(Health::new(), LIMITS);
        let index = ask(addr, "GET", "/").await;
        assert!(
            index.ends_with(r#"["/livez","/readyz","/startupz","/metrics"]}"#),
            "{index}"
        );
        let missing = ask(addr, "GET", "/etc/passwd").await;
        assert!(missing.starts_with("HTTP/1.1 404") && missing.contains(r#"{"error":"#));
        let post = ask(addr, "POST", "/livez").await;
        assert!(
            post.starts_with("HTTP/1.1 405") && post.contains(r#"{"error":"#),
            "{post}"
        );
    }

    #[tokio::test]
    async fn a_client_that_dawdles_loses_its_place_to_the_next() {
        let limits = Limits {
            connections: 1,
            connection_time: Duration::from_millis(50),
        };
        let (addr, _guard) = served(Health::new(), limits);
        let mut slow = TcpStream::connect(addr).await.expect("a connection");
        slow.write_all(b"GET /livez HT").await.expect("sent");
        assert!(ask(addr, "GET", "/livez").await.starts_with("HTTP/1.1 200"));
        assert_eq!(slow.read(&mut [0]).await.unwrap_or(0), 0, "it was cut off");
    }

    #[tokio::test]
    async fn the_shutdown_ends_the_serving() {
        let server = AdminServer::bind(LOOPBACK).expect("a free port");
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        server
            .serve(Health::new(), Recorder::idle(), shutdown)
            .await;
    }

    #[test]
    fn a_taken_port_names_the_variable_and_the_address() {
        let taken = AdminServer::bind(LOOPBACK).expect("a free port");
        let error = AdminServer::bind(taken.addr()).expect_err("taken");
        assert!(
            error
                .to_string()
                .starts_with(&format!("ADMIN_ADDR={} ", taken.addr()))
        );
    }
}
