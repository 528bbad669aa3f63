//! One HTTP request and its response.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::body::AnswerBody;
use super::dispatch::{Asked, dispatch};
use super::reply::{Broken, Reply};
use super::signed::date;
use crate::account::{Caller, Sqs};
use crate::error::{Error, ErrorKind};
use crate::fault::Breakage;
use crate::limits::REQUEST_BYTES_MAX;

const AWS_JSON: &str = "application/x-amz-json-1.0";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const SIGNED_AT: HeaderName = HeaderName::from_static("x-amz-date");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The body of an error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    #[serde(rename = "__type")]
    shape: &'a str,
    message: &'a str,
}

/// Answers a request; what goes wrong is an answer too.
///
/// This is all that [`Server`](super::Server) does with one, for whoever has requests and no
/// connection.
///
/// # Errors
/// If a fault plan wants the connection to end instead.
///
/// # Cancellation
/// What was asked for may have been done already, or not.
pub async fn exchange<B>(sqs: &Sqs, request: Request<B>) -> Result<Response<AnswerBody>, Broken>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let reply = ask(sqs, request).await.unwrap_or_else(Reply::from);
    let mut response = match reply.result {
        Ok(body) => respond(StatusCode::OK, body),
        Err(error) => respond_error(&error),
    };
    let date = reply.shown.and_then(date);
    if let Some(date) = date.and_then(|date| HeaderValue::try_from(date).ok()) {
        response.headers_mut().insert(DATE, date);
    }
    match reply.breakage {
        None => Ok(response.map(AnswerBody::whole)),
        Some(Breakage::Truncate) => Ok(response.map(AnswerBody::truncated)),
        Some(Breakage::Drip { every }) => {
            Ok(response.map(|body| AnswerBody::dripping(body, every)))
        }
        Some(Breakage::Lost) => Err(Broken::Closed),
        Some(Breakage::Reset) => Err(Broken::Reset),
        // Until the client or the server goes away.
        Some(Breakage::Hang | Breakage::HungPoll) => std::future::pending().await,
    }
}

async fn ask<B>(sqs: &Sqs, request: Request<B>) -> Result<Reply, Error>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    // Before anything else: a connection whose body was not read cannot be used again.
    let body = read(body).await?;
    let target = text(&head.headers, &TARGET);
    if head.method != Method::POST || target.is_none() {
        return Err(Error::new(
            ErrorKind::UnknownOperation,
            "This server speaks AWS JSON 1.0: a POST with the header X-Amz-Target.",
        ));
    }
    if !is_aws_json(&head.headers) {
        let message = format!("The content type must be {AWS_JSON}.");
        return Err(Error::new(ErrorKind::UnsupportedMediaType, message));
    }
    let asked = Asked {
        target: target.unwrap_or_default(),
        signed_at: text(&head.headers, &SIGNED_AT),
        body: &body,
    };
    Ok(dispatch(sqs, &asked).await)
}

/// Reads a body, unless it is or says that it is too large.
async fn read<B>(body: B) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || {
        let message = format!("The body is longer than {REQUEST_BYTES_MAX} bytes.");
        Error::new(ErrorKind::RequestTooLarge, message)
    };
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > REQUEST_BYTES_MAX) {
        return Err(too_large());
    }
    match Limited::new(body, REQUEST_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Error::new(ErrorKind::Serialization, error.to_string())),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_aws_json(headers: &HeaderMap) -> bool {
    let essence = text(headers, &CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(AWS_JSON)
}

fn respond_error(error: &Error) -> Response<Bytes> {
    let wire = error.kind.wire();
    let body = ErrorBody {
        shape: wire.shape,
        message: &error.message,
    };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, body);
    let side = if error.kind.is_sender_fault() {
        "Sender"
    } else {
        "Receiver"
    };
    let query_error = format!("{};{side}", wire.query_code);
    if let Ok(query_error) = HeaderValue::try_from(query_error) {
        response.headers_mut().insert(QUERY_ERROR, query_error);
    }
    response
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(AWS_JSON));
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    if let Ok(id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer)) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Tells who sent a request, given who sent the one before it on the connection.
pub(super) fn caller(headers: &HeaderMap, before: Option<&Arc<Caller>>, addr: &str) -> Arc<Caller> {
    let key = text(headers, &AUTHORIZATION).and_then(access_key);
    let host = text(headers, &HOST)
        .filter(|host| !host.is_empty())
        .unwrap_or(addr);
    if let Some(before) = before
        && before.access_key() == key
        && before.endpoint().strip_prefix("http://") == Some(host)
    {
        return Arc::clone(before);
    }
    Arc::new(Caller::new(key, &format!("http://{host}")))
}

/// Reads the access key from the header of Signature Version 4.
fn access_key(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential
        .split(['/', ',', ' '])
        .next()
        .filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_key_is_read_from_the_signature() {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/sqs/aws4_request, \
                      SignedHeaders=host, Signature=0";
        assert_eq!(access_key(signed), Some("AKIDEXAMPLE"));
        for unsigned in ["", "Bearer x", "Credential=", "Credential=/x"] {
            assert_eq!(access_key(unsigned), None, "{unsigned}");
        }
    }
}
