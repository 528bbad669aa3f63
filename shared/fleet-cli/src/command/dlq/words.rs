//! What is said of a dead letter.

use std::time::Duration;

use fleet::dead_letter::Death;
use fleet::message::{BODY_BYTES_MAX, FailureClass};
use jiff::Timestamp;

/// How many bytes a failure takes at least: a copy that has less room goes without.
const ROOM_MIN: usize = 500;

/// Says in a sentence why a message is in a dead-letter queue.
pub(super) fn why(death: &Death) -> String {
    let reason = &death.reason;
    let attempts = death.attempts.unwrap_or_default();
    match death.class {
        FailureClass::Permanent => format!("the handler said that no retry can help: {reason}"),
        FailureClass::AttemptsExhausted => {
            format!("its attempts were used up ({attempts}), and the last one failed: {reason}")
        }
        FailureClass::Undecodable => format!("it could not be read: {reason}"),
        FailureClass::UnknownType => {
            let event_type = death.event_type.as_deref().unwrap_or("unknown");
            format!("nobody handled events of type {event_type} within the grace: {reason}")
        }
        FailureClass::CrashSuspect => {
            format!("no process survived its attempts ({attempts}): {reason}")
        }
        FailureClass::ReceivesExhausted if death.size_bytes > BODY_BYTES_MAX - ROOM_MIN => {
            "it is so large that it has no room to say why; `why` may know".to_owned()
        }
        FailureClass::ReceivesExhausted => format!(
            "SQS moved it by the redrive policy of {}, after too many receives: nobody said why",
            death.queue
        ),
    }
}

/// Says how long it is until a time, in its two largest units.
pub(super) fn until(time: Timestamp, now: Timestamp) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Ok(left) = Duration::try_from(time.duration_since(now)) else {
        return "over".to_owned();
    };
    let secs = left.as_secs();
    let first = UNITS.iter().position(|(unit, _)| secs >= *unit);
    let first = first.unwrap_or(UNITS.len() - 1);
    let mut rest = secs;
    let said = UNITS[first..].iter().take(2).filter_map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        (count > 0 || secs == 0).then(|| format!("{count}{name}"))
    });
    said.collect::<Vec<_>>().join(" ")
}

/// Shortens a text to so many characters.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_is_said_in_two_units() {
        let now = Timestamp::UNIX_EPOCH;
        let said = |secs| until(now + Duration::from_secs(secs), now);
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (3_600, "1h"),
            (3_661, "1h 1m"),
            (86_400 * 13 + 3_600 * 4 + 59, "13d 4h"),
            (86_400 + 59, "1d"),
        ] {
            assert_eq!(said(secs), text);
        }
        assert_eq!(until(now, now + Duration::from_secs(1)), "over");
    }

    #[test]
    fn a_text_that_is_too_long_ends_in_dots() {
        assert_eq!(shortened("déjà", 4), "déjà");
        assert_eq!(shortened("déjà vu", 4), "déjà…");
    }
}
