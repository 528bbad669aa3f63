//! What SQS carries: characters, and attributes with their names, types and values.
//!
//! A message that was received keeps these rules. What is read out of its text, such as an escape
//! in JSON, need not.

use std::fmt::Write as _;

use super::attributes::{ATTRIBUTES_MAX, AttributeValue, Attributes};

/// The most bytes of an attribute's name, and of its type.
const NAME_BYTES_MAX: usize = 256;

/// The most significant digits of a `Number`.
const NUMBER_DIGITS_MAX: usize = 38;

/// Writes U+FFFE and U+FFFF as JSON escapes.
///
/// JSON strings may hold them raw, SQS refuses them (`InvalidMessageContents`); in
/// valid JSON they occur only inside strings, where an escape means the same.
pub(super) fn escape(json: String) -> String {
    let refused = |c: char| matches!(c, '\u{FFFE}' | '\u{FFFF}');
    if !json.contains(refused) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if refused(c) {
            write!(escaped, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Tells whether SQS carries these attributes on one message.
///
/// Source: SQS developer guide, "Message attribute components" and "Message attribute data types".
pub(super) fn are_legal(attributes: &Attributes) -> bool {
    let is_legal = |(name, value): (&str, &AttributeValue)| is_name(name) && is_value(value);
    attributes.len() <= ATTRIBUTES_MAX && attributes.iter().all(is_legal)
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let lower = name.to_ascii_lowercase();
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
        && !(lower.starts_with("aws.") || lower.starts_with("amazon."))
}

fn is_value(value: &AttributeValue) -> bool {
    let kind = value.data_type();
    let base = kind.split_once('.').map_or(kind, |(base, _)| base);
    let fits = match (base, value.as_text(), value.as_binary()) {
        ("String", Some(text), _) => !text.is_empty() && text.chars().all(is_character),
        ("Number", Some(text), _) => is_number(text),
        ("Binary", _, Some(bytes)) => !bytes.is_empty(),
        _ => false,
    };
    fits && kind.len() <= NAME_BYTES_MAX
}

/// The characters of XML 1.0.
fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Up to 38 digits of precision, between 10^-128 and 10^+126.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let Ok(exponent) = exponent.parse::<i32>() else {
        return false;
    };
    let significant = digits.trim_start_matches('0');
    let zeros = digits.len() - significant.len();
    let place = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let magnitude = place(whole.len()) - place(zeros) - 1 + i64::from(exponent);
    significant.trim_end_matches('0').len() <= NUMBER_DIGITS_MAX
        && (significant.is_empty() || (-128..=126).contains(&magnitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(name: &str, value: AttributeValue) -> bool {
        are_legal(&Attributes::from_iter([(name.to_owned(), value)]))
    }

    #[test]
    fn names_keep_the_rules_of_sqs() {
        let takes = |name: &str| takes(name, AttributeValue::string("v"));
        for name in ["a", "trace-id", "a.b_c", "awsome", &"n".repeat(256)] {
            assert!(takes(name), "{name}");
        }
        for name in ["", ".a", "a.", "a..b", "ä", "a b", "AWS.x", "amazon.x"] {
            assert!(!takes(name), "{name}");
        }
        assert!(!takes(&"n".repeat(257)));
    }

    #[test]
    fn values_fit_their_types_and_are_never_empty() {
        let text = |kind: &str, value: &str| takes("a", AttributeValue::text(kind, value));
        assert!(text("String", "v\t\u{FFFD}") && text("String.json", "{}"));
        for value in ["", "\u{0}", "\u{b}", "\u{FFFE}", "\u{FFFF}"] {
            assert!(!text("String", value), "{value:?}");
        }
        assert!(!text("", "v") && !text("Strange", "v") && !text("Binary", "v"));
        assert!(!text(&format!("String.{}", "x".repeat(250)), "v"));
        let binary = |kind: &str, value: &[u8]| takes("a", AttributeValue::binary(kind, value));
        assert!(binary("Binary.png", &[0]));
        assert!(!binary("Binary", &[]) && !binary("String", b"v"));
    }

    #[test]
    fn a_number_has_38_digits_and_a_bounded_exponent() {
        let digits = "9".repeat(38);
        for number in [
            "0", "-1.5", "+7", ".5", "1e126", "1E-128", "0e999", "000", &digits,
        ] {
            assert!(is_number(number), "{number}");
        }
        let more = "9".repeat(39);
        for number in [
            "", ".", "-", "1e", "e1", "seven", "NaN", "1e127", "1e-129", &more,
        ] {
            assert!(!is_number(number), "{number}");
        }
    }

    #[test]
    fn a_message_has_ten_attributes_at_most() {
        let some = |count: usize| {
            let named = |n| (format!("a{n}"), AttributeValue::string("v"));
            (0..count).map(named).collect()
        };
        assert!(are_legal(&some(10)));
        assert!(!are_legal(&some(11)));
    }
}
