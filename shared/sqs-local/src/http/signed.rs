//! The time of a signature against a clock that is off.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use crate::error::{Error, ErrorKind};
use crate::limits::Millis;

/// How the header `X-Amz-Date` is written.
const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// How far the time of a signature may be from the server's. Stricter than SQS, which is content
/// with a quarter of an hour; other services refuse from here on.
const AGE_MAX_MINUTES: i64 = 5;

/// Returns the time on a clock that is off by so many milliseconds.
pub(super) fn shown(now: Millis, skew: i64) -> Option<Timestamp> {
    let now = i64::try_from(now).ok()?;
    Timestamp::from_millisecond(now.checked_add(skew)?).ok()
}

/// Writes the header `Date`.
pub(super) fn date(shown: Timestamp) -> Option<String> {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&shown)
        .ok()
}

/// Checks the time of a signature by the time the server shows.
///
/// # Errors
/// `InvalidSignature` if they are too far apart. What is no time is left alone, as signatures are
/// in general.
pub(super) fn check(signed: &str, shown: Timestamp) -> Result<(), Error> {
    let read = DateTime::strptime(FORMAT, signed).and_then(|time| time.to_zoned(TimeZone::UTC));
    let Ok(signed_at) = read.map(|time| time.timestamp()) else {
        return Ok(());
    };
    let allowed = jiff::SignedDuration::from_mins(AGE_MAX_MINUTES);
    let age = shown.duration_since(signed_at);
    let write = |time: Timestamp| time.strftime(FORMAT).to_string();
    let message = if age > allowed {
        format!(
            "Signature expired: {signed} is now earlier than {} ({} - {AGE_MAX_MINUTES} min.)",
            write(shown - allowed),
            write(shown),
        )
    } else if age < -allowed {
        format!(
            "Signature not yet current: {signed} is still later than {} ({} + {AGE_MAX_MINUTES} min.)",
            write(shown + allowed),
            write(shown),
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidSignature, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z
    const NOW: Millis = 1_767_225_600_000;

    #[test]
    fn a_signature_is_good_within_five_minutes_of_the_clock() {
        for (signed, skew_minutes, said) in [
            ("20260101T000000Z", 0, None),
            ("20260101T000000Z", 5, None),
            ("20260101T000000Z", -5, None),
            (
                "20260101T000000Z",
                20,
                Some(
                    "20260101T000000Z is now earlier than 20260101T001500Z (20260101T002000Z - 5 min.)",
                ),
            ),
            (
                "20260101T000000Z",
                -20,
                Some(
                    "20260101T000000Z is still later than 20251231T234500Z (20251231T234000Z + 5 min.)",
                ),
            ),
            ("yesterday", 20, None),
        ] {
            let shown = shown(NOW, skew_minutes * 60_000).unwrap();
            match (check(signed, shown), said) {
                (Ok(()), None) => {}
                (Err(error), Some(said)) => {
                    assert_eq!(error.kind, ErrorKind::InvalidSignature);
                    assert!(error.message.ends_with(said), "{error}");
                }
                (result, said) => panic!("{signed}: {result:?}, not {said:?}"),
            }
        }
    }

    #[test]
    fn the_date_is_written_as_http_writes_it() {
        let shown = shown(NOW, -20 * 60_000).unwrap();
        assert_eq!(date(shown).unwrap(), "Wed, 31 Dec 2025 23:40:00 GMT");
    }
}
