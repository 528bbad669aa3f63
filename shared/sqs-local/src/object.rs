//! JSON objects where the API says objects.
//!
//! Derived code would take an array of values in the order of the fields as well, which is
//! kinder than SQS.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that is written as an object.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads the objects of a list.
pub(crate) fn list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// Reads objects by name.
pub(crate) fn map<'de, T, D>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects = BTreeMap::<String, Object<T>>::deserialize(deserializer)?;
    Ok(objects
        .into_iter()
        .map(|(name, Object(value))| (name, value))
        .collect())
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{DeleteMessageBatch, GetQueueUrl, SendMessage};

    #[test]
    fn an_array_is_no_object() {
        let read = serde_json::from_str::<Object<GetQueueUrl>>;
        assert_eq!(read(r#"{"QueueName":"a"}"#).unwrap().0.queue_name, "a");
        assert!(read(r#"["a",null]"#).is_err());
        let entries = |entry| format!(r#"{{"QueueUrl":"u","Entries":[{entry}]}}"#);
        let read = |text: String| serde_json::from_str::<DeleteMessageBatch>(&text);
        assert!(read(entries(r#"{"Id":"1","ReceiptHandle":"r"}"#)).is_ok());
        assert!(read(entries(r#"["1","r"]"#)).is_err());
        let attribute = |value| format!(r#"{{"MessageAttributes":{{"a":{value}}}}}"#);
        let read = |text: String| serde_json::from_str::<SendMessage>(&text);
        assert!(read(attribute(r#"{"DataType":"String","StringValue":"x"}"#)).is_ok());
        assert!(read(attribute(r#"["String","x"]"#)).is_err());
    }
}
