//! The envelopes in which events arrive, told apart by the members that only they have.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::DecodeError;
use super::key::EventKey;
use super::opened::{Opened, Parts, misfit};
use super::s3::s3_record;
use crate::service::traces::TraceContext;

/// The members of all formats, unread: a bare body may use the same names for other things.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Probe<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    #[serde(rename = "type")]
    event_type: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    traceparent: Option<&'a RawValue>,
    tracestate: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    data_base64: Option<&'a RawValue>,
    #[serde(rename = "Type")]
    sns_type: Option<&'a RawValue>,
    #[serde(rename = "MessageId")]
    sns_id: Option<&'a RawValue>,
    #[serde(rename = "TopicArn")]
    sns_topic: Option<&'a RawValue>,
    #[serde(rename = "Message")]
    sns_message: Option<&'a RawValue>,
    #[serde(rename = "MessageAttributes")]
    sns_attributes: Option<&'a RawValue>,
    #[serde(rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    detail: Option<&'a RawValue>,
    #[serde(rename = "Records")]
    records: Option<&'a RawValue>,
}

/// A CloudEvent without a fault.
#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    time: Option<Timestamp>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<&'a RawValue>,
}

/// Opens a body in whichever format it is.
pub(super) fn open(body: &str) -> Result<Opened<'_>, DecodeError> {
    if let Some(parts) = usual(body) {
        return Ok(Opened::Complete(parts));
    }
    // Serde would read an array into a struct member by member.
    let is_object = body.trim_ascii_start().starts_with('{');
    let probed = if is_object {
        serde_json::from_str(body)
    } else {
        Ok(Probe::default())
    };
    let probe: Probe<'_> = match probed {
        Ok(probe) if is_object => probe,
        // No object, or one with a repeated member: bare, if JSON at all.
        Ok(probe) => serde_json::from_str::<&RawValue>(body)
            .map(|_| probe)
            .map_err(|error| not_json(&error))?,
        Err(error) if error.is_data() => serde_json::from_str::<&RawValue>(body)
            .map(|_| Probe::default())
            .map_err(|error| not_json(&error))?,
        Err(error) => return Err(not_json(&error)),
    };
    if probe.specversion.is_some() {
        return cloud_event(&probe).map(Opened::Complete);
    }
    if probe.sns_topic.is_some() && probe.sns_message.is_some() {
        return notification(&probe);
    }
    if probe.detail_type.is_some() && probe.detail.is_some() {
        return event_bridge(&probe).map(Opened::Complete);
    }
    match probe.records.and_then(s3_record).transpose()? {
        Some(parts) => Ok(Opened::Complete(parts)),
        None => Ok(Opened::Bare {
            event_type: None,
            key: None,
            data: Cow::Borrowed(body),
        }),
    }
}

/// Opens what nearly every message is, in one pass; what is wrong with another is found out by [`open`].
fn usual(body: &str) -> Option<Parts<'_>> {
    if !body.contains("\"specversion\"") || !body.starts_with('{') {
        return None;
    }
    let event: CloudEvent<'_> = serde_json::from_str(body).ok()?;
    if event.specversion != "1.0" || event.data_base64.is_some() {
        return None;
    }
    Some(Parts {
        key: EventKey::new(event.source, event.id),
        event_type: event.event_type,
        time: event.time,
        trace: trace(event.traceparent, event.tracestate),
        data: Cow::Borrowed(event.data.map_or("null", RawValue::get)),
    })
}

/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
fn cloud_event<'a>(probe: &Probe<'a>) -> Result<Parts<'a>, DecodeError> {
    const FORMAT: &str = "CloudEvents";
    if text(FORMAT, "specversion", probe.specversion)? != "1.0" {
        return Err(misfit(FORMAT, "`specversion` is not 1.0"));
    }
    if probe.data_base64.is_some() {
        return Err(misfit(FORMAT, "`data_base64` is not supported"));
    }
    let time = optional_text(FORMAT, "time", probe.time)?
        .map(|time| {
            time.parse()
                .map_err(|_| misfit(FORMAT, "`time` is no RFC 3339 timestamp"))
        })
        .transpose()?;
    Ok(Parts {
        key: EventKey::new(
            text(FORMAT, "source", probe.source)?,
            text(FORMAT, "id", probe.id)?,
        ),
        event_type: text(FORMAT, "type", probe.event_type)?,
        time,
        trace: trace(lenient(probe.traceparent), lenient(probe.tracestate)),
        data: Cow::Borrowed(probe.data.map_or("null", RawValue::get)),
    })
}

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>
fn notification<'a>(probe: &Probe<'a>) -> Result<Opened<'a>, DecodeError> {
    const FORMAT: &str = "SNS";
    let text = |member, raw| text(FORMAT, member, raw);
    if text("Type", probe.sns_type)? != "Notification" {
        return Err(misfit(
            FORMAT,
            "`Type` is not Notification: a subscription to confirm?",
        ));
    }
    let key = EventKey::new(
        text("TopicArn", probe.sns_topic)?,
        text("MessageId", probe.sns_id)?,
    );
    let message = text("Message", probe.sns_message)?;
    let event_type = match probe.sns_attributes {
        Some(attributes) => sns_type(attributes)?,
        None => None,
    };
    // A CloudEvent that went through a topic names its type itself.
    let (inner_type, data) = match open(&message)? {
        Opened::Complete(inner) => (
            Some(inner.event_type.into_owned()),
            Some(inner.data.into_owned()),
        ),
        Opened::Bare { .. } => (None, None),
    };
    Ok(Opened::Bare {
        event_type: inner_type.or(event_type).map(Cow::Owned),
        key: Some(key),
        // Never borrowed: it stands in the body as a string, not as JSON.
        data: Cow::Owned(data.unwrap_or_else(|| message.into_owned())),
    })
}

fn sns_type(attributes: &RawValue) -> Result<Option<String>, DecodeError> {
    #[derive(Deserialize)]
    struct Attributes {
        r#type: Option<Attribute>,
    }
    #[derive(Deserialize)]
    struct Attribute {
        #[serde(rename = "Value")]
        value: String,
    }
    let attributes: Attributes = serde_json::from_str(attributes.get())
        .map_err(|_| misfit("SNS", "`MessageAttributes` are malformed"))?;
    Ok(attributes.r#type.map(|attribute| attribute.value))
}

/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>
fn event_bridge<'a>(probe: &Probe<'a>) -> Result<Parts<'a>, DecodeError> {
    const FORMAT: &str = "EventBridge";
    Ok(Parts {
        key: EventKey::new(
            text(FORMAT, "source", probe.source)?,
            text(FORMAT, "id", probe.id)?,
        ),
        event_type: text(FORMAT, "detail-type", probe.detail_type)?,
        time: optional_text(FORMAT, "time", probe.time)?.and_then(|time| time.parse().ok()),
        trace: None,
        data: Cow::Borrowed(probe.detail.map_or("null", RawValue::get)),
    })
}

fn text<'a>(
    format: &'static str,
    member: &str,
    raw: Option<&'a RawValue>,
) -> Result<Cow<'a, str>, DecodeError> {
    optional_text(format, member, raw)?
        .ok_or_else(|| misfit(format, format!("`{member}` is missing")))
}

fn optional_text<'a>(
    format: &'static str,
    member: &str,
    raw: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, DecodeError> {
    /// Borrows a string without escapes; serde does so only when told field by field.
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(json) => serde_json::from_str::<Text<'a>>(json)
            .map(|text| Some(text.0))
            .map_err(|_| misfit(format, format!("`{member}` is no string"))),
    }
}

/// Reads a text that nothing depends on: another value is as good as none.
fn lenient<'a>(raw: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    optional_text("", "", raw).ok().flatten()
}

/// Reads the trace of an event; a malformed one never costs the event.
fn trace<S: AsRef<str>>(parent: Option<S>, state: Option<S>) -> Option<TraceContext> {
    TraceContext::parse(parent?.as_ref(), state.as_ref().map(S::as_ref))
}

fn not_json(error: &serde_json::Error) -> DecodeError {
    DecodeError::NotJson {
        line: error.line(),
        column: error.column(),
    }
}
