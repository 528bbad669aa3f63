use std::collections::BTreeMap;

/// The most message attributes that SQS carries on one message.
///
/// Source: SQS developer guide, "Message attribute quotas".
pub const ATTRIBUTES_MAX: usize = 10;

/// The reserved attribute in which a dead letter carries its failure.
///
/// It is the only name that the fleet takes from the ten, so that a copy loses
/// at most one slot.
pub const FAILURE_ATTRIBUTE: &str = "fleet_failure";

/// One message attribute: a data type such as `String` or `Number.int`, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeValue {
    data_type: String,
    data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    Text(String),
    Binary(Vec<u8>),
}

/// The message attributes of one message, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, AttributeValue>);

impl AttributeValue {
    /// Makes a `String` attribute.
    pub fn string(value: impl Into<String>) -> Self {
        Self::text("String", value)
    }

    /// Makes an attribute of a textual data type (`String`, `Number`, or either with a custom suffix).
    pub fn text(data_type: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            data_type: data_type.into(),
            data: Data::Text(value.into()),
        }
    }

    /// Makes an attribute of a binary data type (`Binary`, or with a custom suffix).
    pub fn binary(data_type: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            data_type: data_type.into(),
            data: Data::Binary(value.into()),
        }
    }

    /// Returns the data type with its custom suffix, as SQS carries it.
    pub fn data_type(&self) -> &str {
        &self.data_type
    }

    /// Returns the value of a textual attribute.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Binary(_) => None,
        }
    }

    /// Returns the bytes of a binary attribute.
    pub fn as_binary(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Text(_) => None,
            Data::Binary(bytes) => Some(bytes),
        }
    }

    /// Returns the bytes that count towards the size of the message, the name not included.
    pub fn size_bytes(&self) -> usize {
        self.data_type.len()
            + match &self.data {
                Data::Text(text) => text.len(),
                Data::Binary(bytes) => bytes.len(),
            }
    }
}

impl Attributes {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute and returns the one that it replaced.
    pub fn set(
        &mut self,
        name: impl Into<String>,
        value: AttributeValue,
    ) -> Option<AttributeValue> {
        self.0.insert(name.into(), value)
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        self.0.remove(name)
    }

    /// Returns the attribute of this name.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.0.get(name)
    }

    /// Returns the text of the attribute of this name, if it is textual.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(AttributeValue::as_text)
    }

    /// Visits the attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns how many attributes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is no attribute.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes that count towards the size of the message: names, types and values.
    ///
    /// Source: SQS API reference, SendMessage, "MessageAttributes".
    pub fn size_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.len() + value.size_bytes())
            .sum()
    }
}

impl FromIterator<(String, AttributeValue)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, AttributeValue)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}
