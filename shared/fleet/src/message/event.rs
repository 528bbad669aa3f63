use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attributes::{AttributeValue, Attributes};
use super::key::EventKey;
use super::legal;
use super::sent::Outgoing;
use crate::service::traces::TraceContext;

/// The data of one type of event.
///
/// It is data alone, apart from behaviour: one event may have many consumers.
///
/// # Examples
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct ParcelSent { parcel_id: String }
///
/// impl fleet::Event for ParcelSent {
///     const TYPE: &'static str = "parcel.sent";
/// }
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The type by which messages name it, such as `order.placed`.
    ///
    /// Fields are added and never repurposed; a breaking change is a new type
    /// (`order.placed.v2`).
    const TYPE: &'static str;
}

/// An event on its way out: what the outbox stores and a queue carries.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Source and id; consumers drop a second event with the same key.
    pub key: EventKey,
    /// The type, such as `order.placed`.
    pub event_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// The data as JSON text.
    pub data: String,
    /// Events with the same key leave the outbox one after the other.
    pub ordering_key: Option<String>,
    /// The trace that it belongs to; where there is none, the outbox begins one if traces are on.
    pub trace: Option<TraceContext>,
}

impl NewEvent {
    /// Makes an event that happens now from its data.
    ///
    /// # Errors
    ///
    /// The data cannot be written as JSON (a map with keys that are no strings).
    pub fn new<E: Event>(key: EventKey, data: &E) -> Result<Self, serde_json::Error> {
        Ok(Self {
            key,
            event_type: E::TYPE.to_owned(),
            time: Timestamp::now(),
            data: serde_json::to_string(data)?,
            ordering_key: None,
            trace: None,
        })
    }

    /// Sets the ordering key.
    #[must_use]
    pub fn ordered_by(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// Renders the event as a message: a CloudEvents 1.0 JSON body and the attribute `type`.
    ///
    /// Characters that JSON allows and SQS refuses are written as escapes, so
    /// that no legal JSON is turned away for its spelling.
    pub fn to_message(&self) -> Outgoing {
        let mut attributes = Attributes::new();
        attributes.set("type", AttributeValue::string(&self.event_type));
        let mut message = Outgoing {
            body: self.to_body(),
            attributes,
            group_id: self.ordering_key.clone(),
            ..Outgoing::default()
        };
        if let Some(trace) = &self.trace {
            message.carry(trace);
        }
        message
    }

    fn to_body(&self) -> String {
        let mut body = String::with_capacity(self.data.len() + 160);
        body.push_str(r#"{"specversion":"1.0""#);
        for (name, value) in [
            ("id", &self.key.id),
            ("source", &self.key.source),
            ("type", &self.event_type),
            ("time", &self.time.to_string()),
        ] {
            push_member(
                &mut body,
                name,
                &serde_json::Value::from(value.as_str()).to_string(),
            );
        }
        push_member(&mut body, "datacontenttype", r#""application/json""#);
        if let Some(trace) = &self.trace {
            // Neither needs an escape.
            push_member(&mut body, "traceparent", &format!("\"{trace}\""));
        }
        push_member(&mut body, "data", &self.data);
        body.push('}');
        legal::escape(body)
    }
}

fn push_member(body: &mut String, name: &str, json: &str) {
    body.push_str(",\"");
    body.push_str(name);
    body.push_str("\":");
    body.push_str(json);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> NewEvent {
        NewEvent {
            key: EventKey::new("/shop", "7"),
            event_type: "a.b".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            data: data.to_owned(),
            ordering_key: None,
            trace: None,
        }
    }

    #[test]
    fn the_body_is_a_cloud_event() {
        insta::assert_snapshot!(
            event(r#"{"n":1.50}"#).to_message().body,
            @r#"{"specversion":"1.0","id":"7","source":"/shop","type":"a.b","time":"1970-01-01T00:00:00Z","datacontenttype":"application/json","data":{"n":1.50}}"#
        );
    }

    #[test]
    fn characters_that_sqs_refuses_are_escaped() {
        let body = event("\"a\u{FFFE}b\u{FFFF}\"").to_message().body;
        assert!(body.contains(r#""a\ufffeb\uffff""#), "{body}");
    }
}
