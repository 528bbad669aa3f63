use std::borrow::Cow;
use std::ops::Range;

use super::error::{self, DecodeError};
use super::event::Event;
use super::formats;
use super::key::{self, EventKey};
use super::opened::{Opened, Parts};
use super::sent::{Message, MessageId};
use crate::service::traces::TraceContext;
use jiff::Timestamp;

/// An event as a handler sees it: typed data and where it came from.
#[derive(Clone, Debug)]
pub struct Envelope<E> {
    /// Source and id: what makes two deliveries the same event.
    pub key: EventKey,
    /// When it happened, if the producer said so.
    pub time: Option<Timestamp>,
    /// When it was sent to this queue.
    pub sent_at: Timestamp,
    /// The id that SQS gave this copy.
    pub message_id: MessageId,
    /// How often SQS has handed this copy out, this time included.
    pub receive_count: u32,
    /// The trace that it belongs to, as its producer hands it on.
    pub trace: Option<TraceContext>,
    /// The data.
    pub data: E,
}

/// An event whose envelope is open and whose data is still JSON text.
#[derive(Clone, Debug)]
pub struct RawEnvelope<'a> {
    /// Source and id.
    pub key: EventKey,
    /// The type by which the router finds a handler.
    pub event_type: Cow<'a, str>,
    /// When it happened, if the producer said so.
    pub time: Option<Timestamp>,
    /// The trace that it belongs to, as its producer hands it on.
    pub trace: Option<TraceContext>,
    data: Cow<'a, str>,
    message: &'a Message,
}

impl<'a> RawEnvelope<'a> {
    /// Opens the envelope of a message: CloudEvents, SNS, EventBridge, S3, or bare JSON.
    ///
    /// `queue` stands in for the source of bare JSON, which has none.
    ///
    /// # Errors
    ///
    /// The body is no JSON, or no envelope that the fleet knows.
    pub fn open(message: &'a Message, queue: &str) -> Result<Self, DecodeError> {
        let parts = match formats::open(&message.body)? {
            Opened::Complete(parts) => parts,
            Opened::Bare {
                event_type,
                key,
                data,
            } => Parts {
                event_type: event_type
                    .or_else(|| message.attributes.text("type").map(Cow::Borrowed))
                    .ok_or(DecodeError::NoType)?,
                key: key.unwrap_or_else(|| bare_key(message, queue)),
                time: None,
                trace: None,
                data,
            },
        };
        check_text("source", &parts.key.source)?;
        check_text("id", &parts.key.id)?;
        check_text("type", &parts.event_type)?;
        let sent_in = message.trace_of_attributes().or(parts.trace);
        Ok(Self {
            key: parts.key,
            event_type: parts.event_type,
            time: parts.time,
            trace: sent_in.or_else(|| message.trace_of_header()),
            data: parts.data,
            message,
        })
    }

    /// Decodes the data as an event of type `E`.
    ///
    /// # Errors
    ///
    /// The data does not fit; the error names the path of the first misfit.
    pub fn decode<E: Event>(&self) -> Result<Envelope<E>, DecodeError> {
        Ok(Envelope {
            data: decode_data(&self.data)?,
            key: self.key.clone(),
            time: self.time,
            sent_at: self.message.sent_at,
            message_id: self.message.id.clone(),
            receive_count: self.message.receive_count,
            trace: self.trace.clone(),
        })
    }

    /// Returns the data as JSON text.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Tells which bytes of the body are the data.
    ///
    /// None are when the event has no data, or when they stand there as a string inside another
    /// envelope, as those of SNS do.
    pub fn data_place(&self) -> Option<Range<usize>> {
        let Cow::Borrowed(data) = self.data else {
            return None;
        };
        let body = &self.message.body;
        let start = (data.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let place = start..start + data.len();
        (body.get(place.clone()) == Some(data)).then_some(place)
    }
}

/// Decodes JSON text as the data of an event.
pub(crate) fn decode_data<E: Event>(data: &str) -> Result<E, DecodeError> {
    // Keeping track of the path costs as much as decoding: only a misfit pays.
    if let Ok(event) = serde_json::from_str(data) {
        return Ok(event);
    }
    let mut json = serde_json::Deserializer::from_str(data);
    serde_path_to_error::deserialize(&mut json).map_err(|misfit| DecodeError::Schema {
        path: error::without_keys(misfit.path()),
        problem: error::without_values(misfit.inner()),
    })
}

/// Bare JSON is the event that its `id` attribute names, else the first message that carried it.
fn bare_key(message: &Message, queue: &str) -> EventKey {
    if let Some(key) = message.failure.as_ref().map(|failure| &failure.key) {
        return key.clone();
    }
    let id = message.attributes.text("id").unwrap_or(&message.id.0);
    EventKey::new(queue, id)
}

fn check_text(member: &'static str, text: &str) -> Result<(), DecodeError> {
    match key::misfit_of(text) {
        None => Ok(()),
        Some(problem) => Err(DecodeError::Envelope {
            format: "event",
            problem: format!("`{member}` {problem}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::message::{AttributeValue, Attributes, Receipt};

    #[derive(Debug, Serialize, Deserialize)]
    struct Sent {
        parcels: Vec<Parcel>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Parcel {
        weight: u32,
    }
    impl Event for Sent {
        const TYPE: &'static str = "parcel.sent";
    }

    fn message(body: &str, attributes: &[(&str, &str)]) -> Message {
        Message {
            id: MessageId("m-1".to_owned()),
            receipt: Receipt("r".to_owned()),
            body: body.to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), AttributeValue::string(*value)))
                .collect::<Attributes>(),
            receive_count: 1,
            sent_at: Timestamp::UNIX_EPOCH + Duration::from_secs(1),
            group_id: None,
            trace_header: None,
            failure: None,
        }
    }

    fn describe(body: &str, attributes: &[(&str, &str)]) -> String {
        let message = message(body, attributes);
        match RawEnvelope::open(&message, "parcels") {
            Ok(raw) => format!("{} | {} | {}", raw.key, raw.event_type, raw.data()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_known_envelope_opens_and_every_other_says_what_is_wrong() {
        let typed = [("type", "t")];
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let table: &[Case<'_>] = &[
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1.10}}"#,
                &[],
                r#"/s 1 | t | {"a":1.10}"#,
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#,
                &[],
                "/s 1 | t | null",
            ),
            (
                r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#,
                &[],
                "CloudEvents envelope: `specversion` is not 1.0",
            ),
            (
                r#"{"specversion":"1.0","source":"/s","type":"t"}"#,
                &[],
                "CloudEvents envelope: `id` is missing",
            ),
            (
                r#"{"specversion":"1.0","id":7,"source":"/s","type":"t"}"#,
                &[],
                "CloudEvents envelope: `id` is no string",
            ),
            (
                r#"{"specversion":"1.0","id":"","source":"/s","type":"t"}"#,
                &[],
                "event envelope: `id` is empty",
            ),
            (
                r#"{"specversion":"1.0","id":"a\u0000","source":"/s","type":"t"}"#,
                &[],
                "event envelope: `id` contains U+0000",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AA=="}"#,
                &[],
                "CloudEvents envelope: `data_base64` is not supported",
            ),
            (
                r#"{"Type":"Notification","MessageId":"n","TopicArn":"arn:t","Message":"{\"a\":1}","MessageAttributes":{"type":{"Type":"String","Value":"t"}}}"#,
                &[],
                r#"arn:t n | t | {"a":1}"#,
            ),
            (
                r#"{"Type":"Notification","MessageId":"n","TopicArn":"arn:t","Message":"plain"}"#,
                &[],
                "body is not JSON (line 1, column 1)",
            ),
            (
                r#"{"version":"0","id":"e","detail-type":"Parcel Sent","source":"shop","detail":{"a":1}}"#,
                &[],
                r#"shop e | Parcel Sent | {"a":1}"#,
            ),
            (r#"{"a":1}"#, &typed, r#"parcels m-1 | t | {"a":1}"#),
            (
                r#"{"id":5,"a":1}"#,
                &[("type", "t"), ("id", "x")],
                r#"parcels x | t | {"id":5,"a":1}"#,
            ),
            (
                r#"{"a":1}"#,
                &[],
                "bare JSON without a message attribute `type`",
            ),
            ("[1,2]", &typed, "parcels m-1 | t | [1,2]"),
            ("", &typed, "body is not JSON (line 1, column 0)"),
            ("{\"a\":", &typed, "body is not JSON (line 1, column 5)"),
        ];
        for (body, attributes, expected) in table {
            assert_eq!(&describe(body, attributes), expected, "{body}");
        }
    }

    #[test]
    fn data_is_found_where_it_can_be_changed_in_place() {
        let sns = r#"{"Type":"Notification","MessageId":"n","TopicArn":"arn:t","Message":"7"}"#;
        for (body, data) in [
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data": {"a":1} }"#,
                Some(r#"{"a":1}"#),
            ),
            (
                // The same as no data at all.
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":null}"#,
                None,
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#,
                None,
            ),
            (
                r#"{"version":"0","id":"e","detail-type":"D","source":"shop","detail":[1]}"#,
                Some("[1]"),
            ),
            (r#" {"a":1}"#, Some(r#" {"a":1}"#)),
            (sns, None),
        ] {
            let message = message(body, &[("type", "t")]);
            let envelope = RawEnvelope::open(&message, "parcels").unwrap();
            let place = envelope.data_place();
            assert_eq!(place.map(|place| &body[place]), data, "{body}");
        }
    }

    #[test]
    fn s3_notifications_are_keyed_by_object_version_and_sequence() {
        let body = r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k","versionId":"v","sequencer":"0A"}}}]}"#;
        let described = describe(body, &[]);
        assert!(
            described.starts_with("s3://b k/v/0A | s3:ObjectCreated:Put | {"),
            "{described}"
        );
    }

    #[test]
    fn a_misfit_is_named_by_its_path_without_its_value() {
        let check = |data: &str| {
            let body = format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"parcel.sent","data":{data}}}"#
            );
            let message = message(&body, &[]);
            RawEnvelope::open(&message, "q")
                .unwrap()
                .decode::<Sent>()
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            check(r#"{"parcels":[{"weight":1},{"weight":"jane@example.com"}]}"#),
            "data does not fit the schema at `parcels[1].weight`: invalid type: string, expected u32"
        );
        assert_eq!(
            check(r#"{"parcels":[{}]}"#),
            "data does not fit the schema at `parcels[0]`: missing field `weight`"
        );
        assert_eq!(
            check(r#"{"parcels":[{"weight":"x, expected jane@example.com at line 1 column 2"}]}"#),
            "data does not fit the schema at `parcels[0].weight`: invalid type: string, expected u32"
        );
        assert_eq!(
            check(r#"{"parcels":[{"weight":-5}]}"#),
            "data does not fit the schema at `parcels[0].weight`: invalid value: integer, expected u32"
        );
    }
}
