//! Message attributes: their values, and the rules for both names and values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check_attribute_text;
use crate::error::{Error, ErrorKind};
use crate::limits::{ATTRIBUTE_NAME_CHARS_MAX, MESSAGE_ATTRIBUTES_MAX, NUMBER_DIGITS_MAX};

/// The attributes of a message by name.
pub type MessageAttributes = BTreeMap<String, MessageAttributeValue>;

/// The value of a message attribute, as it travels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MessageAttributeValue {
    /// `String`, `Number` or `Binary`, optionally with a dot and a label of one's own.
    pub data_type: String,
    /// The value of a `String` or `Number`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of a `Binary`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "to_base64",
        deserialize_with = "from_base64"
    )]
    pub binary_value: Option<Bytes>,
    /// Reserved by SQS, which implements no lists.
    #[serde(skip_serializing)]
    string_list_values: Vec<IgnoredValue>,
    /// Reserved by SQS, which implements no lists.
    #[serde(skip_serializing)]
    binary_list_values: Vec<IgnoredValue>,
}

/// Something whose value does not matter, only that it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct IgnoredValue;

impl<'de> Deserialize<'de> for IgnoredValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl MessageAttributeValue {
    /// Makes a value of type `String`.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            string_value: Some(value.into()),
            ..Self::default()
        }
    }

    /// Makes a value of type `Number`.
    pub fn number(value: impl ToString) -> Self {
        Self {
            data_type: "Number".to_owned(),
            string_value: Some(value.to_string()),
            ..Self::default()
        }
    }

    /// Makes a value of type `Binary`.
    pub fn binary(value: impl Into<Bytes>) -> Self {
        Self {
            data_type: "Binary".to_owned(),
            binary_value: Some(value.into()),
            ..Self::default()
        }
    }

    /// Returns the bytes of the value, whichever kind it is.
    pub(crate) fn bytes(&self) -> &[u8] {
        match (&self.binary_value, &self.string_value) {
            (Some(binary), _) => binary,
            (None, Some(text)) => text.as_bytes(),
            (None, None) => &[],
        }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        if !self.string_list_values.is_empty() || !self.binary_list_values.is_empty() {
            return Err(Error::new(
                ErrorKind::UnsupportedOperation,
                "Message attribute list values in SendMessage operation are not supported.",
            ));
        }
        let base = self.data_type.split('.').next().unwrap_or_default();
        match base {
            "" => Err(about(
                name,
                "must contain a non-empty message attribute type.",
            )),
            _ if self.data_type.len() > ATTRIBUTE_NAME_CHARS_MAX => {
                Err(about(name, "has a type of more than 256 bytes."))
            }
            "String" | "Number" => self.check_text(name, base),
            "Binary" => self.check_binary(name),
            _ => Err(about(
                name,
                "has an invalid message attribute type, the set of supported type prefixes is \
                 Binary, Number, and String.",
            )),
        }
    }

    fn check_text(&self, name: &str, base: &str) -> Result<(), Error> {
        if self.binary_value.is_some() {
            return Err(about(name, "with a type of text has a binary value."));
        }
        let text = self.string_value.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Err(about(
                name,
                &format!("must contain a non-empty message attribute value for type {base}."),
            ));
        }
        check_attribute_text(name, text)?;
        if base == "Number" && !is_number(text) {
            let reason = format!("has the value {text}, which is not a number that SQS can keep.");
            return Err(about(name, &reason));
        }
        Ok(())
    }

    fn check_binary(&self, name: &str) -> Result<(), Error> {
        if self.string_value.is_some() {
            return Err(about(name, "of type Binary has a value of text."));
        }
        match &self.binary_value {
            Some(value) if !value.is_empty() => Ok(()),
            _ => Err(about(
                name,
                "must contain a non-empty message attribute value for type Binary.",
            )),
        }
    }
}

/// Checks the attributes of a message and returns how many bytes of it they are.
pub(crate) fn check_attributes(attributes: &MessageAttributes) -> Result<usize, Error> {
    if attributes.len() > MESSAGE_ATTRIBUTES_MAX {
        return Err(Error::invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum \
             [{MESSAGE_ATTRIBUTES_MAX}].",
            attributes.len()
        )));
    }
    let mut bytes = 0;
    for (name, value) in attributes {
        check_name(name)?;
        value.check(name)?;
        bytes += name.len() + value.data_type.len() + value.bytes().len();
    }
    Ok(bytes)
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    let reason = if name.is_empty() {
        "must contain a non-empty message attribute name."
    } else if name.len() > ATTRIBUTE_NAME_CHARS_MAX {
        "has a name of more than 256 characters."
    } else if !name.bytes().all(plain) {
        "has a name with invalid characters; alphanumeric, underscore, hyphen and period are valid."
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        "has a name that starts or ends with a period or has successive periods."
    } else if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        "has a name that starts with a reserved prefix."
    } else {
        return Ok(());
    };
    Err(about(name, reason))
}

/// Up to 38 digits of precision, between 10^-128 and 10^+126 (developer guide, "Message
/// attribute data types").
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>()),
        None => (unsigned, Ok(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let Ok(exponent) = exponent else { return false };
    if whole.len() + fraction.len() == 0 || !digits().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let Some(first) = digits().position(|digit| digit != b'0') else {
        return true;
    };
    let last = digits().rposition_of_nonzero();
    if last - first >= NUMBER_DIGITS_MAX {
        return false;
    }
    let place = i64::try_from(whole.len()).unwrap_or(i64::MAX)
        - i64::try_from(first).unwrap_or(i64::MAX)
        - 1;
    (-128..=126).contains(&place.saturating_add(i64::from(exponent)))
}

/// Finds the last digit that is not zero, of digits that are not all zero.
trait LastNonzero {
    fn rposition_of_nonzero(self) -> usize;
}

impl<I: Iterator<Item = u8>> LastNonzero for I {
    fn rposition_of_nonzero(self) -> usize {
        self.enumerate()
            .filter(|(_, digit)| *digit != b'0')
            .map(|(at, _)| at)
            .last()
            .unwrap_or(0)
    }
}

fn about(name: &str, reason: &str) -> Error {
    Error::invalid(format!("Message (user) attribute '{name}' {reason}"))
}

fn to_base64<S: Serializer>(value: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes = value.as_deref().unwrap_or_default();
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    STANDARD
        .decode(text)
        .map(|bytes| Some(bytes.into()))
        .map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: MessageAttributeValue) -> Result<usize, Error> {
        check_attributes(&MessageAttributes::from([(name.to_owned(), value)]))
    }

    #[test]
    fn a_number_has_38_digits_and_a_bounded_exponent() {
        let digits = "1".repeat(38);
        let zeros = format!("0.{}", "0".repeat(500));
        for good in [
            "0", "-1", "+7", "3.14", ".5", "5.", "1e126", "1E-128", &digits, &zeros,
        ] {
            assert!(is_number(good), "{good}");
        }
        let too_long = "1".repeat(39);
        for bad in [
            "", "-", ".", "abc", "1e", "1e127", "1e-129", "0x1", "NaN", " 1", &too_long,
        ] {
            assert!(!is_number(bad), "{bad}");
        }
        assert!(is_number(&format!("{}{}", "1".repeat(38), "0".repeat(20))));
    }

    #[test]
    fn names_keep_the_rules() {
        let value = MessageAttributeValue::string("x");
        for good in ["a", "a.b", "_-9", "AWSTrace", "awsome.x", &"n".repeat(256)] {
            assert!(check(good, value.clone()).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".a",
            "a.",
            "a..b",
            "aws.x",
            "Amazon.y",
            "a b",
            "ü",
            &"n".repeat(257),
        ] {
            assert!(check(bad, value.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_fit_their_types_and_are_never_empty() {
        let typed = |data_type: &str| MessageAttributeValue {
            data_type: data_type.to_owned(),
            ..MessageAttributeValue::string("1")
        };
        for good in ["String", "Number", "String.json", "Number.int"] {
            assert!(check("a", typed(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "Text",
            "string",
            ".x",
            "Binary",
            &format!("String.{}", "x".repeat(300)),
        ] {
            assert!(check("a", typed(bad)).is_err(), "{bad}");
        }
        assert!(check("a", MessageAttributeValue::string("")).is_err());
        assert!(check("a", MessageAttributeValue::binary(Vec::new())).is_err());
        assert!(check("a", MessageAttributeValue::number("one")).is_err());
        assert!(check("a", MessageAttributeValue::string("\0")).is_err());
        assert_eq!(
            check("ab", MessageAttributeValue::binary(vec![0; 5])),
            Ok(2 + 6 + 5)
        );
    }
}
