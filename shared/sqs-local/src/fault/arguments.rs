//! The arguments of a rule: `name=value`, each at most once.

use std::collections::BTreeMap;

/// Arguments that wait to be asked for.
///
/// What was asked for by the end is what is allowed, so that errors can say so.
pub(super) struct Arguments<'a> {
    values: BTreeMap<&'a str, &'a str>,
    known: Vec<&'static str>,
}

impl<'a> Arguments<'a> {
    pub(super) fn parse(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for word in words {
            let (name, value) = word
                .split_once('=')
                .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                .ok_or_else(|| format!("`{word}` is no argument; one reads name=value"))?;
            if values.insert(name, value).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(Self {
            values,
            known: Vec::new(),
        })
    }

    /// Reads an argument if it is there.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.known.push(name);
        let Some(value) = self.values.remove(name) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .map_err(|reason| format!("{name}={value}: {reason}"))
    }

    /// Ends the reading: nothing may be left.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.values.keys().next() {
            None => Ok(()),
            Some(name) => {
                let known = self.known.join(", ");
                Err(format!("unknown argument {name}; allowed are {known}"))
            }
        }
    }
}

/// Reads a probability.
pub(super) fn probability(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Reads a whole number.
pub(super) fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "expected a whole number".to_owned())
}
