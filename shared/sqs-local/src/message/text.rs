//! Which texts SQS takes.

use crate::error::{Error, ErrorKind};
use crate::limits::GROUP_ID_CHARS_MAX;

/// Checks a message's body: one character at least, and no character that XML 1.0 forbids.
pub(crate) fn check_body(body: &str) -> Result<(), Error> {
    if body.is_empty() {
        return Err(Error::missing("MessageBody"));
    }
    if !is_legal(body) {
        return Err(Error::new(
            ErrorKind::InvalidMessageContents,
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | \
             #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        ));
    }
    Ok(())
}

/// Checks the text of an attribute.
pub(crate) fn check_attribute_text(name: &str, text: &str) -> Result<(), Error> {
    if is_legal(text) {
        return Ok(());
    }
    let message = format!("Message (user) attribute '{name}' has a value with invalid characters.");
    Err(Error::invalid(message))
}

/// Checks a group id, a deduplication id or a receive attempt id.
pub(crate) fn check_group_id(parameter: &str, value: &str) -> Result<(), Error> {
    let fits = (1..=GROUP_ID_CHARS_MAX).contains(&value.len());
    if fits && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let reason = format!(
        "{parameter} can only include alphanumeric and punctuation characters. \
         1 to {GROUP_ID_CHARS_MAX} in length."
    );
    Err(Error::invalid_value(value, parameter, &reason))
}

/// Bytes first: nearly every text is plain, and this runs for each message sent.
fn is_legal(text: &str) -> bool {
    if text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return true;
    }
    text.chars().all(|c| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_legal_characters_and_one_at_least() {
        for body in [
            "a",
            "\t\r\n",
            "ü",
            "\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}",
            "\u{7F}",
        ] {
            assert_eq!(check_body(body), Ok(()), "{body:?}");
        }
        for body in [
            "\0", "a\u{8}", "\u{B}", "\u{C}", "\u{1F}", "\u{FFFE}", "\u{FFFF}",
        ] {
            let kind = check_body(body).unwrap_err().kind;
            assert_eq!(kind, ErrorKind::InvalidMessageContents, "{body:?}");
        }
        assert_eq!(
            check_body("").unwrap_err().kind,
            ErrorKind::MissingParameter
        );
    }

    #[test]
    fn a_group_id_is_short_and_printable() {
        for id in ["a", "tenant:7/{x}~", &"g".repeat(128)] {
            assert_eq!(check_group_id("MessageGroupId", id), Ok(()), "{id:?}");
        }
        for id in ["", "a b", "ü", "\n", &"g".repeat(129)] {
            assert!(check_group_id("MessageGroupId", id).is_err(), "{id:?}");
        }
    }
}
