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

/// Counts records by key, operation, result and fault, in the order of these.
pub(super) fn count(records: &[Record]) -> Vec<Count> {
    let mut counts = BTreeMap::new();
    for record in records {
        let Record {
            operation,
            result,
            fault,
            ..
        } = *record;
        let count = counts
            .entry((&record.key, operation, result, fault))
            .or_insert_with(|| Count {
                key: record.key.clone(),
                operation,
                result,
                fault,
                calls: 0,
                entries: BTreeMap::new(),
            });
        count.calls += 1;
        for entry in &record.entries {
            *count.entries.entry(entry.outcome).or_default() += 1;
        }
    }
    counts.into_values().collect()
}
