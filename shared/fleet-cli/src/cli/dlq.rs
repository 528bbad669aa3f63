//! What may be typed behind `dlq`.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{Args, Subcommand};
use fleet::dead_letter::{Filter, Fingerprint};
use fleet::message::FailureClass;
use jiff::Timestamp;

use super::age;

/// How many messages a look goes through when nobody says how many.
pub(crate) const SCAN_DEFAULT: u64 = 10_000;

/// The most messages of one look: SQS hands out about 120,000 at once, and the fleet needs some.
///
/// Source: SQS developer guide, "In-flight messages".
pub(crate) const SCAN_MAX: u64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Dlq {
    #[command(subcommand)]
    pub(crate) command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Count what is in it, by what ended it and by type
    #[command(
        after_help = "Examples:\n  {program} dlq stats billing\n  {program} dlq stats orders-dlq --json"
    )]
    Stats(Look),
}

/// A look at a dead-letter queue.
#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) scan: ScanArgs,
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which dead-letter queue.
#[derive(Debug, Args)]
pub(crate) struct QueueArg {
    /// A consumer of this program, the name of a dead-letter queue, or its URL
    #[arg(value_name = "DLQ")]
    pub(crate) name: String,
}

/// How far to look.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Look at no more messages than this
    #[arg(long, value_name = "N", default_value_t = SCAN_DEFAULT,
        value_parser = clap::value_parser!(u64).range(1..=SCAN_MAX))]
    pub(crate) scan: u64,
}

/// Which dead letters are meant: those that everything said is true of.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which dead letters")]
pub(crate) struct FilterArgs {
    /// Of this type, such as order.placed
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// With these words in their reason; numbers, ids and quotes do not count
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Ended by permanent, attempts_exhausted, undecodable, unknown_type, crash_suspect, or receives_exhausted
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub(crate) class: Option<FailureClass>,
    /// Of this failure, as `dlq group` shows it
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Dead for longer than this (such as 90s, 2h, 7d)
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) older_than: Option<Duration>,
    /// Dead for less long than this
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) newer_than: Option<Duration>,
    /// With so many attempts: 3, 3+, or 3-5
    #[arg(long, value_name = "N", value_parser = attempts)]
    pub(crate) attempts: Option<RangeInclusive<u32>>,
    /// With this MessageId or event id; may be said more than once
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// With a body that this regular expression matches somewhere
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) pattern: Option<String>,
}

impl FilterArgs {
    /// Makes the filter; ages are counted from `now`.
    pub(crate) fn filter(&self, now: Timestamp) -> Filter {
        let ago = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Filter {
            event_type: self.event_type.clone(),
            reason: self.reason.clone(),
            class: self.class,
            fingerprint: self.fingerprint,
            before: self.older_than.map(ago),
            since: self.newer_than.map(ago),
            attempts: self.attempts.clone(),
            ids: self.ids.clone(),
            queue: None,
            pattern: self.pattern.clone(),
        }
    }
}

fn class(text: &str) -> Result<FailureClass, String> {
    let known = FailureClass::ALL;
    let found = known.into_iter().find(|class| class.as_str() == text);
    found.ok_or_else(|| format!("is none of {}", known.map(FailureClass::as_str).join(", ")))
}

fn attempts(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| text.parse::<u32>().ok();
    let range = match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(least), _) => number(least).map(|least| least..=u32::MAX),
        (None, Some((least, most))) => number(least).zip(number(most)).map(|(a, b)| a..=b),
        (None, None) => number(text).map(|count| count..=count),
    };
    range
        .filter(|range| !range.is_empty())
        .ok_or_else(|| "say a number such as 3, 3+ or 3-5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_a_number_or_a_range() {
        for (text, range) in [("3", 3..=3), ("3+", 3..=u32::MAX), ("3-5", 3..=5)] {
            assert_eq!(attempts(text), Ok(range), "{text}");
        }
        for text in ["", "+", "-", "5-3", "-1", "x", "3+5"] {
            assert!(attempts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_class_is_known_by_its_name() {
        for known in FailureClass::ALL {
            assert_eq!(class(known.as_str()), Ok(known));
        }
        assert!(class("dead").is_err());
    }
}
