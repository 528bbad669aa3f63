//! The tags of a queue: names for people and bills, which mean nothing to the service.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};

/// The tags of a queue, which keep the rules for their number, keys and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Returns these tags with others added; a key that is there gets its new value.
    ///
    /// # Errors
    /// `InvalidParameterValue` for too many, and for one that breaks the rules.
    pub(crate) fn with(&self, added: &BTreeMap<String, String>) -> Result<Self, Error> {
        for (key, value) in added {
            check(key, value)?;
        }
        let mut tags = self.0.clone();
        tags.extend(added.clone());
        if tags.len() > TAGS_MAX {
            let message = format!("Too many tags: a queue has {TAGS_MAX} at most.");
            return Err(Error::invalid(message));
        }
        Ok(Self(tags))
    }

    /// Removes tags; a key that is not there is no mistake.
    pub(crate) fn remove(&mut self, keys: &[String]) {
        self.0.retain(|key, _| !keys.contains(key));
    }

    pub(crate) fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn check(key: &str, value: &str) -> Result<(), Error> {
    let key_fits = (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) && is_legal(key);
    if !key_fits || key.to_ascii_lowercase().starts_with("aws:") {
        return Err(Error::invalid_value(
            key,
            "Tag.Key",
            "1 to 128 letters, digits, spaces and _.:/=+-@, and not the prefix aws:.",
        ));
    }
    if value.chars().count() > TAG_VALUE_CHARS_MAX || !is_legal(value) {
        return Err(Error::invalid_value(
            value,
            "Tag.Value",
            "At most 256 letters, digits, spaces and _.:/=+-@.",
        ));
    }
    Ok(())
}

fn is_legal(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_new_value_replaces_the_old_and_case_matters() {
        let tags = Tags::default().with(&tag("Team", "a")).unwrap();
        let tags = tags.with(&tag("team", "b")).unwrap();
        let mut tags = tags.with(&tag("Team", "c")).unwrap();
        assert_eq!(tags.as_map()["Team"], "c");
        tags.remove(&["Team".to_owned(), "gone".to_owned()]);
        assert_eq!(tags.as_map(), &tag("team", "b"));
    }

    #[test]
    fn keys_and_values_keep_the_rules() {
        let (key, value) = ("k".repeat(129), "v".repeat(257));
        for (key, value) in [
            ("a", ""),
            ("größe 1", "x_.:/=+-@"),
            (&key[1..], &value[1..]),
        ] {
            assert!(Tags::default().with(&tag(key, value)).is_ok(), "{key}");
        }
        for (key, value) in [
            ("", "x"),
            ("aws:x", "x"),
            ("AWS:x", "x"),
            ("a*", "x"),
            ("a", "\0"),
            (&key, "x"),
            ("a", &value),
        ] {
            assert!(Tags::default().with(&tag(key, value)).is_err(), "{key}");
        }
    }

    #[test]
    fn a_queue_has_fifty_tags() {
        let fifty = (0..50).map(|n| (n.to_string(), String::new())).collect();
        let tags = Tags::default().with(&fifty).unwrap();
        assert!(tags.with(&tag("7", "again")).is_ok());
        assert!(tags.with(&tag("50", "")).is_err());
    }
}
