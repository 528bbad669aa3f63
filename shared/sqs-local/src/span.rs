//! Spans of time as people write them: `10ms`, `1.5s`, `20m`, `1h`.

use std::time::Duration;

/// Milliseconds of each unit. Longer ones first, as `ms` ends in `s` as well.
const UNITS: [(&str, f64); 4] = [("ms", 1.0), ("s", 1e3), ("m", 60e3), ("h", 3_600e3)];

/// Reads a span such as `10ms`, `1.5s`, `20m`, `1h` or `0`.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let suffix = |(unit, millis)| text.strip_suffix(unit).map(|number| (number, millis));
    let (number, millis) = match UNITS.into_iter().find_map(suffix) {
        Some(found) => found,
        None if text == "0" => (text, 1.0),
        None => return Err(expected()),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * millis / 1e3).ok())
        .ok_or_else(expected)
}

fn expected() -> String {
    "expected a time such as 10ms, 1.5s, 20m or 1h".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, millis) in [
            ("10ms", 10),
            ("1.5s", 1_500),
            ("20m", 1_200_000),
            ("1h", 3_600_000),
            ("0", 0),
            ("0ms", 0),
        ] {
            assert_eq!(
                parse_span(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in ["", "10", "ms", "-1s", "1d", "NaNs", "infs", "1e400s"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
