//! Which dead letters are meant, as it is typed.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use fleet::dead_letter::{Filter, Fingerprint};
use fleet::message::FailureClass;
use jiff::Timestamp;

use super::age;

/// Which dead letters are meant: those that everything said is true of.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which dead letters")]
pub(crate) struct FilterArgs {
    /// Of this type, such as order.placed; '' for those whose type cannot be read
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
    /// Dead for longer than this (such as 90s, 2h, 7d), or since before a time (2026-05-01T08:00:00Z)
    #[arg(long, value_name = "AGE", value_parser = when)]
    pub(crate) older_than: Option<When>,
    /// Dead for less long than this, or since a time or later
    #[arg(long, value_name = "AGE", value_parser = when)]
    pub(crate) newer_than: Option<When>,
    /// With so many attempts: 3, 3+, or 3-5
    #[arg(long, value_name = "N", value_parser = attempts)]
    pub(crate) attempts: Option<RangeInclusive<u32>>,
    /// With this MessageId or event id; may be said more than once
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Died in this queue; for a dead-letter queue of several
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<String>,
    /// Given up by this build, as `dlq group --by version` shows it; '' where nobody knows
    #[arg(long, value_name = "VERSION")]
    pub(crate) build: Option<String>,
    /// With a body that this regular expression matches somewhere
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) pattern: Option<String>,
}

/// A point in time, as people say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl FilterArgs {
    /// Makes the filter; ages are counted from `now`.
    pub(crate) fn filter(&self, now: Timestamp) -> Filter {
        let time = |when: When| match when {
            When::Ago(age) => now.checked_sub(age).unwrap_or(Timestamp::MIN),
            When::At(time) => time,
        };
        Filter {
            event_type: self.event_type.clone(),
            reason: self.reason.clone(),
            class: self.class,
            fingerprint: self.fingerprint,
            before: self.older_than.map(time),
            since: self.newer_than.map(time),
            attempts: self.attempts.clone(),
            ids: self.ids.clone(),
            queue: self.queue.clone(),
            version: self.build.clone(),
            pattern: self.pattern.clone(),
        }
    }
}

/// Writes a filter as it would be typed, a word an entry.
pub(crate) fn flags(filter: &Filter) -> Vec<String> {
    let mut words = Vec::new();
    let mut say = |flag: &str, value: Option<String>| match value {
        // What begins with a dash would be taken for a flag.
        Some(value) if value.starts_with('-') => words.push(format!("{flag}={value}")),
        Some(value) => words.extend([flag.to_owned(), value]),
        None => {}
    };
    let Filter {
        event_type,
        reason,
        class,
        fingerprint,
        before,
        since,
        attempts,
        ids,
        queue,
        version,
        pattern,
    } = filter;
    say("--type", event_type.clone());
    say("--reason", reason.clone());
    say("--class", class.map(|class| class.as_str().to_owned()));
    say("--fingerprint", fingerprint.map(|print| print.to_string()));
    say("--older-than", before.map(|time| time.to_string()));
    say("--newer-than", since.map(|time| time.to_string()));
    say("--attempts", attempts.as_ref().map(range));
    for id in ids {
        say("--id", Some(id.clone()));
    }
    say("--queue", queue.clone());
    say("--build", version.clone());
    say("--match", pattern.clone());
    words
}

fn range(attempts: &RangeInclusive<u32>) -> String {
    match (*attempts.start(), *attempts.end()) {
        (least, most) if least == most => least.to_string(),
        (least, u32::MAX) => format!("{least}+"),
        (least, most) => format!("{least}-{most}"),
    }
}

fn class(text: &str) -> Result<FailureClass, String> {
    let known = FailureClass::ALL;
    let found = known.into_iter().find(|class| class.as_str() == text);
    found.ok_or_else(|| format!("is none of {}", known.map(FailureClass::as_str).join(", ")))
}

fn when(text: &str) -> Result<When, String> {
    match text.parse() {
        Ok(time) => Ok(When::At(time)),
        Err(_) => age(text).map(When::Ago),
    }
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
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn parsed(words: &[String]) -> Filter {
        let name = "dlq".to_owned();
        let line = Line::try_parse_from([&[name], words].concat());
        line.expect("it was written by us")
            .filter
            .filter(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_filter_that_was_written_down_is_read_back() {
        let full = Filter {
            event_type: Some("-x \u{1b}'".to_owned()),
            reason: Some("--yes".to_owned()),
            class: Some(FailureClass::Permanent),
            fingerprint: "0123456789ab".parse().ok(),
            before: Some("2026-05-01T08:00:00.123456789Z".parse().unwrap()),
            since: Some("-000001-01-01T00:00:00Z".parse().unwrap()),
            attempts: Some(3..=u32::MAX),
            ids: vec!["a".to_owned(), "--b".to_owned()],
            queue: Some("billing.fifo".to_owned()),
            version: Some(String::new()),
            pattern: Some("^$".to_owned()),
        };
        assert_eq!(parsed(&flags(&full)), full);
        for attempts in [3..=3, 3..=5, 0..=u32::MAX] {
            let filter = Filter {
                attempts: Some(attempts),
                ..Filter::default()
            };
            assert_eq!(parsed(&flags(&filter)), filter);
        }
        assert_eq!(flags(&Filter::default()), [""; 0]);
    }

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
    fn a_time_is_an_age_or_a_point() {
        let hours = Duration::from_secs(7_200);
        assert_eq!(when("2h"), Ok(When::Ago(hours)));
        assert_eq!(
            when("1970-01-01T00:00:00Z"),
            Ok(When::At(Timestamp::UNIX_EPOCH))
        );
        assert!(when("yesterday").is_err());
    }

    #[test]
    fn every_class_is_known_by_its_name() {
        for known in FailureClass::ALL {
            assert_eq!(class(known.as_str()), Ok(known));
        }
        assert!(class("dead").is_err());
    }
}
