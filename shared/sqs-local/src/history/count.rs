//! The history, counted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::record::Record;

/// How many calls of one kind there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// As of [`Record`].
    pub key: Box<str>,
    /// As of [`Record`].
    pub operation: &'static str,
    /// As of [`Record`].
    pub result: &'static str,
    /// As of [`Record`].
    pub fault: Option<&'static str>,
    /// How many calls.
    pub calls: u64,
    /// How many messages of theirs had each outcome.
    pub entries: BTreeMap<&'static str, u64>,
}

/// Operation, result and fault.
type Kind = (&'static str, &'static str, Option<&'static str>);

/// What was counted so far. It grows with the number of keys, not with that of calls.
#[derive(Debug, Default)]
pub(super) struct Counts {
    keys: BTreeMap<Box<str>, BTreeMap<Kind, Tally>>,
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    entries: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub(super) fn add(&mut self, record: &Record) {
        let kind = (record.operation, record.result, record.fault);
        let kinds = match self.keys.get_mut(&record.key) {
            Some(kinds) => kinds,
            None => self.keys.entry(record.key.clone()).or_default(),
        };
        let tally = kinds.entry(kind).or_default();
        tally.calls += 1;
        for entry in &record.entries {
            *tally.entries.entry(entry.outcome).or_default() += 1;
        }
    }

    /// Lists them in the order of key, operation, result and fault.
    pub(super) fn list(&self) -> Vec<Count> {
        let kinds = self.keys.iter().flat_map(|(key, kinds)| {
            kinds
                .iter()
                .map(move |(&(operation, result, fault), tally)| Count {
                    key: key.clone(),
                    operation,
                    result,
                    fault,
                    calls: tally.calls,
                    entries: tally.entries.clone(),
                })
        });
        kinds.collect()
    }
}
