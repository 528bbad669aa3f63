use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes of the digest are kept: two of a million failures share them with a chance of
/// one in five hundred.
const BYTES: usize = 6;

/// What the digest begins with; another rule of normalising has to change it.
const RULE: &str = "fleet-fingerprint-1";

/// How many characters of a reason count.
const REASON_CHARS_MAX: usize = 300;

/// How long a word of hexadecimal letters alone has to be to count as an id.
const HEX_LETTERS_MIN: usize = 8;

/// The word before a code of Postgres, which is no number of a message.
const CODE_FOLLOWS: &str = "sqlstate";

/// By what two deaths are known as the same failure: the consumer that gave up, the type of the
/// event, and the reason without what is particular to one message.
///
/// It is written as twelve hexadecimal digits and stays the same across releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint([u8; BYTES]);

/// A text that is not the twelve hexadecimal digits of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no fingerprint; give twelve hexadecimal digits, as `dlq group` shows them")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Makes the fingerprint of a failure.
    pub fn new(consumer: &str, event_type: Option<&str>, reason: &str) -> Self {
        let mut digest = Sha256::new();
        for part in [RULE, consumer, event_type.unwrap_or_default()] {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(normalise(reason));
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&digest.finalize()[..BYTES]);
        Self(bytes)
    }
}

/// Strips a reason of what is particular to one message, so that equal failures read the same.
///
/// Numbers, times and ids become `#`, what stands in quotes becomes `…`; letters become small,
/// and white space becomes one space. Codes after the word SQLSTATE stay.
pub fn normalise(reason: &str) -> String {
    let reason: Vec<char> = reason.chars().take(REASON_CHARS_MAX).collect();
    let mut normal = String::with_capacity(reason.len());
    let mut at = 0;
    while let Some(&first) = reason.get(at) {
        let rest = &reason[at..];
        let is_after_word = at > 0 && is_of_text(reason[at - 1]);
        if let Some(length) = quoted(rest).filter(|_| !is_after_word) {
            normal.push('…');
            at += length;
        } else if is_of_word(first) {
            let length = word(rest);
            push_word(&mut normal, &rest[..length]);
            at += length;
        } else if first.is_whitespace() || first.is_control() {
            if !normal.is_empty() && !normal.ends_with(' ') {
                normal.push(' ');
            }
            at += 1;
        } else {
            normal.push(first);
            at += 1;
        }
    }
    normal.truncate(normal.trim_end().len());
    normal
}

fn push_word(normal: &mut String, word: &[char]) {
    let is_code = normal
        .trim_end()
        .rsplit(' ')
        .next()
        .is_some_and(|before| before.trim_start_matches('(') == CODE_FOLLOWS);
    let has_digit = word.iter().any(|c| c.is_numeric());
    let is_hex = word.len() >= HEX_LETTERS_MIN && word.iter().all(char::is_ascii_hexdigit);
    match (has_digit || is_hex) && !is_code {
        true => normal.push('#'),
        false => normal.extend(word.iter().map(char::to_ascii_lowercase)),
    }
}

/// Measures what stands in quotes at the start, the quotes included.
fn quoted(text: &[char]) -> Option<usize> {
    let closing = match text.first()? {
        '\'' => '\'',
        '"' => '"',
        '`' => '`',
        '“' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    };
    let ends = |index: usize| {
        text[index] == closing && text.get(index + 1).is_none_or(|next| !is_of_text(*next))
    };
    (1..text.len())
        .find(|index| ends(*index))
        .map(|end| end + 1)
}

/// Measures the word at the start; a number goes on over its points, colons and signs.
fn word(text: &[char]) -> usize {
    let mut has_digit = false;
    for (index, &c) in text.iter().enumerate() {
        let goes_on = has_digit
            && matches!(c, '.' | ',' | ':' | '/' | '+')
            && text.get(index + 1).is_some_and(|next| next.is_numeric());
        if !is_of_word(c) && !goes_on {
            return index;
        }
        has_digit |= c.is_numeric();
    }
    text.len()
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

/// Tells whether a quote beside it is an apostrophe: beside a word, or what stands for one.
fn is_of_text(c: char) -> bool {
    is_of_word(c) || c == '#'
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let is_hex = text.len() == 2 * BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(NoFingerprint);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| NoFingerprint)?;
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&number.to_be_bytes()[size_of::<u64>() - BYTES..]);
        Ok(Self(bytes))
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_particular_to_one_message_is_stripped() {
        for (reason, normal) in [
            ("no customer", "no customer"),
            ("No  customer\t17", "no customer #"),
            (
                "order 4711 of 2026-11-20T10:30:05.123+01:00 is late",
                "order # of # is late",
            ),
            ("1,234.50 is more than -3", "# is more than #"),
            (
                "0d0b1c9e-86a5-4d4c-9f5e-1f6f0c0b9c33 is taken",
                "# is taken",
            ),
            ("trace deadbeefcafe, face", "trace #, face"),
            ("'Ann O'Neill' is unknown", "… is unknown"),
            (
                "the customer's \"address\" is “old”",
                "the customer's … is …",
            ),
            ("an unclosed 'quote", "an unclosed 'quote"),
            ("connect to 10.0.0.1:5432: refused", "connect to #: refused"),
            (
                "the database refused the statement (SQLSTATE 23505)",
                "the database refused the statement (sqlstate 23505)",
            ),
            ("P0001 (23505)", "# (#)"),
            (" \u{1b}[2J ", "[#"),
            ("", ""),
        ] {
            assert_eq!(normalise(reason), normal, "{reason}");
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_for_ever() {
        let fingerprint = Fingerprint::new("billing", Some("order.placed"), "no customer");
        assert_eq!(fingerprint.to_string(), "f50704ceeb98");
        assert_eq!("f50704ceeb98".parse(), Ok(fingerprint));
        for other in [
            Fingerprint::new("inventory", Some("order.placed"), "no customer"),
            Fingerprint::new("billing", Some("order.cancelled"), "no customer"),
            Fingerprint::new("billing", None, "no customer"),
            Fingerprint::new("billing", Some("order.placed"), "zero price"),
        ] {
            assert_ne!(fingerprint, other);
        }
        for text in [
            "",
            "12345678901",
            "1234567890123",
            "+23456789012",
            "no customer",
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NoFingerprint), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_number_id_or_quote_stands_in_a_reason_it_is_the_same_failure(
            (before, between, after) in ("[a-z ]{0,20}", "[a-z ]{1,20}", "[a-z ]{0,20}"),
            (one, other) in (any::<i64>(), any::<i64>()),
            (id, other_id) in ("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}", "[0-9a-f]{7}7"),
            (name, other_name) in ("[a-zA-Z0-9 .]{0,20}", "\\PC{0,5}".prop_map(|text| text.replace(['\'', '"'], ""))),
        ) {
            let reason = |number: i64, id: &str, name: &str| {
                format!("{before} {number} {between} {id} \"{name}\" {after}")
            };
            let (left, right) = (reason(one, &id, &name), reason(other, &other_id, &other_name));
            prop_assert_eq!(normalise(&left), normalise(&right));
            prop_assert_eq!(
                Fingerprint::new("c", None, &left),
                Fingerprint::new("c", None, &right)
            );
        }

        #[test]
        fn normalising_is_total_and_does_nothing_twice(reason in "\\PC{0,400}|[ -~\\s]{0,400}") {
            let normal = normalise(&reason);
            prop_assert!(normal.chars().count() <= REASON_CHARS_MAX);
            prop_assert_eq!(normalise(&normal), normal);
        }

        #[test]
        fn a_fingerprint_is_read_as_it_is_written(bytes in any::<[u8; BYTES]>()) {
            let fingerprint = Fingerprint(bytes);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }
    }
}
