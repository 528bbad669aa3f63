//! How the fields of an order are read. No error repeats a value, which may be personal data.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

use super::order::ORDER_ID_CHARS_MAX;

/// The beginning of the year 0, where RFC 3339 begins; Postgres goes back to 4713 BC.
const FIRST_SECOND: i64 = -62_167_219_200;

/// A value that is written as a JSON object.
///
/// Serde takes a list of a struct's values in their order as well; such a list
/// fits nobody's idea of an order.
pub(super) struct Object<T>(pub(super) T);

/// Reads text that Postgres can hold.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    storable(String::deserialize(deserializer)?)
}

/// Reads text that may be missing; empty is missing, too.
pub(super) fn optional_text<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty())
        .map(storable)
        .transpose()
}

/// Reads the id of an order.
pub(super) fn order_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = text(deserializer)?;
    let found = match id.chars().count() {
        1..=ORDER_ID_CHARS_MAX => return Ok(id),
        0 => "empty string",
        _ => "longer string",
    };
    let expected = format!("1 to {ORDER_ID_CHARS_MAX} characters");
    Err(D::Error::invalid_value(
        Unexpected::Other(found),
        &expected.as_str(),
    ))
}

/// Reads a time of the years 0 to 9999.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<Timestamp>() {
        Ok(time) if time.as_second() >= FIRST_SECOND => Ok(time),
        _ => Err(D::Error::invalid_value(
            Unexpected::Other("string"),
            &"an RFC 3339 time",
        )),
    }
}

/// Reads a list of objects.
pub(super) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

fn storable<E: Error>(text: String) -> Result<String, E> {
    if text.contains('\0') {
        let expected = "a string without U+0000";
        return Err(E::invalid_value(Unexpected::Other("string"), &expected));
    }
    Ok(text)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
