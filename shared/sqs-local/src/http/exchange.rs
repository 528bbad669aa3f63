//! One HTTP request and its response.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::dispatch::dispatch;
use crate::account::{Caller, Sqs};
use crate::error::{Error, ErrorKind};
use crate::limits::REQUEST_BYTES_MAX;

const AWS_JSON: &str = "application/x-amz-json-1.0";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The body of an error.
#[derive(Serialize)]
struct Fault<'a> {
    #[serde(rename = "__type")]
    shape: &'a str,
    message: &'a str,
}

/// Answers a request; what goes wrong is an answer too.
pub(super) async fn exchange(sqs: &Sqs, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match try_exchange(sqs, request).await {
        Ok(body) => respond(StatusCode::OK, body, None),
        Err(error) => {
            let wire = error.kind.wire();
            let fault = Fault {
                shape: wire.shape,
                message: &error.message,
            };
            let body = serde_json::to_vec(&fault).unwrap_or_default();
            let side = if error.kind.is_sender_fault() {
                "Sender"
            } else {
                "Receiver"
            };
            let query_error = format!("{};{side}", wire.query_code);
            let status =
                StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            respond(status, body, HeaderValue::try_from(query_error).ok())
        }
    }
}

async fn try_exchange(sqs: &Sqs, request: Request<Incoming>) -> Result<Vec<u8>, Error> {
    let (head, body) = request.into_parts();
    // Before anything else: a connection whose body was not read cannot be used again.
    let body = read(body).await?;
    let target = head
        .headers
        .get(TARGET)
        .and_then(|target| target.to_str().ok());
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
    dispatch(sqs, target.unwrap_or_default(), &body).await
}

/// Reads a body, unless it is or says that it is too large.
async fn read(body: Incoming) -> Result<Bytes, Error> {
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

fn is_aws_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(AWS_JSON)
}

fn respond(
    status: StatusCode,
    body: Vec<u8>,
    query_error: Option<HeaderValue>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(AWS_JSON));
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let mut buffer = uuid::Uuid::encode_buffer();
    if let Ok(id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer)) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(query_error) = query_error {
        headers.insert(QUERY_ERROR, query_error);
    }
    response
}

/// Tells who sent a request, given who sent the one before it on the connection.
pub(super) fn caller(headers: &HeaderMap, before: Option<&Arc<Caller>>, addr: &str) -> Arc<Caller> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let key = text(AUTHORIZATION).and_then(access_key);
    let host = text(HOST).filter(|host| !host.is_empty()).unwrap_or(addr);
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
