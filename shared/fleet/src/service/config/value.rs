use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// Turns a variable's text into a value and back.
pub trait Value: Sized {
    /// Whether the text may never be shown, neither in a report nor in an error.
    const SECRET: bool = false;

    /// Parses the text.
    ///
    /// # Errors
    ///
    /// Says what is wrong and what to give instead, as the end of a sentence
    /// that begins with the given text: `is not a duration; give …`.
    fn parse(text: &str) -> Result<Self, String>;

    /// Renders the value as it would be typed.
    fn render(&self) -> String;
}

/// A text that is never printed: `Debug` and `Display` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hands out the text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Value for Secret {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

/// Implements [`Value`] for a closed set of words.
macro_rules! words {
    ($type:ident, $($word:literal => $value:ident),+) => {
        impl $crate::service::config::Value for $type {
            fn parse(text: &str) -> Result<Self, String> {
                match text.to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$value),)+
                    _ => Err(format!("is unknown; give one of {}", [$($word),+].join(", "))),
                }
            }

            fn render(&self) -> String {
                match self { $(Self::$value => $word,)+ }.to_owned()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::service::config::Value::render(self))
            }
        }
    };
}

pub(super) use words;

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn render(&self) -> String {
        self.clone()
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "is not an IP address with a port; give one such as 127.0.0.1:9464 or [::1]:9464"
                .to_owned()
        })
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<Self, String> {
        whole_number(text)
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    fn parse(text: &str) -> Result<Self, String> {
        whole_number(text)
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    /// Parses a whole number and a unit: `500ms`, `30s`, `2m`, `1h` or `14d`.
    fn parse(text: &str) -> Result<Self, String> {
        let split = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let millis_per_unit = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, millis)| millis);
        let (Ok(number), Some(millis_per_unit)) = (number.parse::<u64>(), millis_per_unit) else {
            return Err(NOT_A_DURATION.to_owned());
        };
        number
            .checked_mul(*millis_per_unit)
            .map(Duration::from_millis)
            .ok_or_else(|| NOT_A_DURATION.to_owned())
    }

    /// Renders the duration in the largest unit that needs no fraction.
    fn render(&self) -> String {
        let millis = self.as_millis();
        UNITS
            .iter()
            .rev()
            .find(|(_, unit)| millis != 0 && millis.is_multiple_of(u128::from(*unit)))
            .map_or_else(
                || "0s".to_owned(),
                |(name, unit)| format!("{}{name}", millis / u128::from(*unit)),
            )
    }
}

/// The units of a duration, with their milliseconds, smallest first.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const NOT_A_DURATION: &str =
    "is not a duration; give a whole number and a unit, such as 500ms, 30s, 2m or 1h";

fn whole_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "is not a whole number".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                Duration::parse(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_duration_without_a_unit_or_number_is_refused_with_examples() {
        for text in [
            "30",
            "s",
            "1.5s",
            "-1s",
            "30 s",
            "30S",
            "1h30m",
            "99999999999999999999s",
            "9999999999999999h",
            "٣s",
        ] {
            let error = Duration::parse(text).expect_err(text);
            assert!(error.contains("500ms, 30s, 2m or 1h"), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_never_shows_its_text() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {}", secret.render()),
            "*** *** ***"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    proptest! {
        #[test]
        fn a_rendered_duration_parses_to_itself(millis in 0..u64::MAX / 2) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(Duration::parse(&duration.render()), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = Duration::parse(&text);
            let _ = u32::parse(&text);
            let _ = SocketAddr::parse(&text);
        }
    }
}
