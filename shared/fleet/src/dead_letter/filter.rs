use std::ops::RangeInclusive;

use jiff::Timestamp;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, normalise};
use super::letter::Death;
use crate::message::{FailureClass, Message};

/// The most bytes that a compiled pattern may take: one somebody typed takes far fewer.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Which dead letters are meant: those that everything said here is true of.
///
/// It is kept in the journal of a replay, so that a resumed one means the same; hence its times
/// are points in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The type of the event; an empty one stands for those whose type cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Words of the reason, whatever numbers, ids and quotes stand among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
    /// The same failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Dead since before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Dead since this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// So many attempts were charged; where the fleet did not count, so many receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<RangeInclusive<u32>>,
    /// One of these: MessageIds or event ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Died in this queue; for a dead-letter queue of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Given up by this build; an empty one stands for those of which it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A regular expression that the body has to match somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// A filter that is ready to be asked.
#[derive(Clone, Debug)]
pub struct Matcher {
    filter: Filter,
    reason: Option<String>,
    pattern: Option<Regex>,
}

impl Filter {
    /// Tells whether every dead letter is meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Makes it ready to be asked.
    ///
    /// # Errors
    ///
    /// The pattern is no regular expression, or one that would take too much memory.
    pub fn matcher(&self) -> Result<Matcher, regex::Error> {
        let pattern = self.pattern.as_deref().map(|pattern| {
            regex::RegexBuilder::new(pattern)
                .size_limit(PATTERN_BYTES_MAX)
                .build()
        });
        Ok(Matcher {
            reason: self.reason.as_deref().map(normalise),
            pattern: pattern.transpose()?,
            filter: self.clone(),
        })
    }
}

impl Matcher {
    /// Tells whether a dead letter is meant.
    pub fn admits(&self, death: &Death, message: &Message) -> bool {
        let Filter {
            event_type,
            reason: _,
            class,
            fingerprint,
            before,
            since,
            attempts,
            ids,
            queue,
            version,
            pattern: _,
        } = &self.filter;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted == found.unwrap_or_default())
        };
        let is_named = |id: &String| *id == death.id || *id == death.key.id;
        is(event_type, death.event_type.as_deref())
            && is(queue, Some(&death.queue))
            && is(version, death.version.as_deref())
            && class.is_none_or(|class| class == death.class)
            && fingerprint.is_none_or(|wanted| wanted == death.fingerprint)
            && before.is_none_or(|time| death.at() < time)
            && since.is_none_or(|time| death.at() >= time)
            && attempts
                .as_ref()
                .is_none_or(|range| range.contains(&death.attempts.unwrap_or(death.receives)))
            && (ids.is_empty() || ids.iter().any(is_named))
            && self
                .reason
                .as_deref()
                .is_none_or(|reason| normalise(&death.reason).contains(reason))
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&message.body))
    }
}
