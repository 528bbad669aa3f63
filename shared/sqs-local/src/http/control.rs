//! The control port: faults, permissions and history of a server that runs.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /faults` | the plan as it was written; empty if there is none |
//! | `PUT /faults`, the plan as its body | 204, or 400 and what is wrong with it |
//! | `DELETE /faults` | 204 |
//! | `PUT /permissions`, policies by access key as its body | 204, or 400 and what is wrong with them |
//! | `DELETE /permissions` | 204 |
//! | `GET /history?after=0&limit=1000` | calls, one JSON object a line; 404 if none are kept |
//! | `GET /counts` | how many calls, by key, operation, result and fault; 404 if none are counted |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::str::FromStr;
use std::{fmt, io};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::listener::{Listener, Stopped, speak};
use crate::account::Sqs;
use crate::history::{History, Keep};

/// Bytes of a body. Ours: hundreds of rules.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Calls of one answer, unless the request says. Ours: a few hundred kilobytes.
const HISTORY_LIMIT: usize = 1_000;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const JSON_LINES: &str = "application/x-ndjson";

/// A control port that is open until it is shut down or dropped. Whoever reaches it may do
/// anything, so only the same machine can.
#[derive(Debug)]
pub struct Control {
    listener: Listener,
}

/// A status, a content type and a body.
type Answer = (StatusCode, &'static str, Vec<u8>);

impl Control {
    /// Opens the port on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be listened on, or others than this machine could reach it.
    pub async fn bind(addr: impl ToSocketAddrs, sqs: Sqs) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        if !listener.local_addr()?.ip().is_loopback() {
            let message = "the control port is for loopback addresses only, such as 127.0.0.1";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let serve = move |stream, stopped| serve(stream, sqs.clone(), stopped);
        Ok(Self {
            listener: Listener::start(listener, serve)?,
        })
    }

    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// Returns the URL before the paths.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Accepts nothing more, lets requests finish for half a second, and ends.
    pub async fn shutdown(self) {
        self.listener.shutdown().await;
    }
}

async fn serve(mut stream: TcpStream, sqs: Sqs, stopped: Stopped) {
    let service = service_fn(|request: Request<Incoming>| async {
        let (status, content_type, body) = answer(&sqs, request).await.unwrap_or_else(refuse);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Ok::<_, Infallible>(response)
    });
    speak(&mut stream, service, stopped).await;
}

/// Answers a request, or says with which status and why not.
async fn answer(sqs: &Sqs, request: Request<Incoming>) -> Result<Answer, (StatusCode, String)> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| bad(error.to_string()))?.to_bytes();
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/faults") => {
            let plan = sqs.faults().unwrap_or_default();
            Ok((StatusCode::OK, TEXT, format!("{plan}\n").into_bytes()))
        }
        (&Method::PUT, "/faults") => {
            sqs.set_faults(read(&body)?);
            Ok((StatusCode::NO_CONTENT, TEXT, Vec::new()))
        }
        (&Method::DELETE, "/faults") => {
            sqs.clear_faults();
            Ok((StatusCode::NO_CONTENT, TEXT, Vec::new()))
        }
        (&Method::PUT, "/permissions") => {
            sqs.set_permissions(read(&body)?);
            Ok((StatusCode::NO_CONTENT, TEXT, Vec::new()))
        }
        (&Method::DELETE, "/permissions") => {
            sqs.clear_permissions();
            Ok((StatusCode::NO_CONTENT, TEXT, Vec::new()))
        }
        (&Method::GET, "/history") => {
            let Page { after, limit } = page(head.uri.query().unwrap_or_default())?;
            let mut lines = Vec::new();
            for record in calls(sqs)?.after(after, limit) {
                lines.extend(json(&record)?);
                lines.push(b'\n');
            }
            Ok((StatusCode::OK, JSON_LINES, lines))
        }
        (&Method::GET, "/counts") => {
            let counts = history(sqs)?.counts();
            Ok((StatusCode::OK, JSON, json(&counts)?))
        }
        (_, "/permissions") => {
            let message = "PUT and DELETE".to_owned();
            Err((StatusCode::METHOD_NOT_ALLOWED, message))
        }
        (_, "/faults" | "/history" | "/counts") => {
            let message = "GET, and for /faults also PUT and DELETE".to_owned();
            Err((StatusCode::METHOD_NOT_ALLOWED, message))
        }
        _ => {
            let message = "there are /faults, /permissions, /history and /counts".to_owned();
            Err((StatusCode::NOT_FOUND, message))
        }
    }
}

fn refuse((status, message): (StatusCode, String)) -> Answer {
    (status, TEXT, format!("{message}\n").into_bytes())
}

fn bad(message: String) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, message)
}

/// Reads what a body says.
fn read<T: FromStr<Err: fmt::Display>>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    let text = std::str::from_utf8(body).map_err(|error| bad(error.to_string()))?;
    text.parse().map_err(|error: T::Err| bad(error.to_string()))
}

/// Which part of the history is asked for.
struct Page {
    after: u64,
    limit: usize,
}

fn page(query: &str) -> Result<Page, (StatusCode, String)> {
    let mut page = Page {
        after: 0,
        limit: HISTORY_LIMIT,
    };
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let read = match part.split_once('=') {
            Some(("after", value)) => value.parse().map(|after| page.after = after),
            Some(("limit", value)) => value.parse().map(|limit| page.limit = limit),
            _ => return Err(bad(format!("{part}: there are after and limit"))),
        };
        read.map_err(|_| bad(format!("{part}: expected a whole number")))?;
    }
    Ok(page)
}

/// Returns a history that has every call.
fn calls(sqs: &Sqs) -> Result<&History, (StatusCode, String)> {
    let history = history(sqs)?;
    match history.keep() {
        Keep::Calls => Ok(history),
        Keep::Counts => Err((
            StatusCode::NOT_FOUND,
            "only counts are kept; start with --history calls".to_owned(),
        )),
    }
}

fn history(sqs: &Sqs) -> Result<&History, (StatusCode, String)> {
    let message = || "no history is kept; start with --history".to_owned();
    sqs.history()
        .ok_or_else(|| (StatusCode::NOT_FOUND, message()))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, (StatusCode, String)> {
    serde_json::to_vec(value)
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
