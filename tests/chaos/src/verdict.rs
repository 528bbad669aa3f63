//! What a checker found.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many of each kind are told of.
const SAMPLES_MAX: usize = 10;

/// A promise that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was acknowledged, and is neither booked nor dead for its own reason.
    Lost,
    /// It was booked more than once.
    Doubled,
    /// It is there and should not be, or not like this.
    Unexpected,
    /// An account, or all of them, does not have what its entries say.
    Unbalanced,
    /// Claims and bookings differ.
    Inbox,
    /// What should have left with a booking differs from what left, or arrived.
    Outbox,
    /// A dead letter is on record that is in no queue.
    DeadLetters,
    /// Something is left in a queue or in the outbox.
    Left,
    /// A process ended as nobody asked it to.
    Died,
    /// A process counted otherwise than the server.
    Account,
}

/// All findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many.
    pub count: u64,
    /// The first of them: which one, and what is known of it.
    pub samples: Vec<(String, String)>,
}

/// Whole or broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Everything that was found, by kind.
    pub findings: BTreeMap<Kind, Findings>,
    /// Events that were never acknowledged and are there: nobody may complain of those.
    pub recovered: u64,
}

impl Verdict {
    /// Adds a finding.
    pub fn add(&mut self, kind: Kind, what: impl Into<String>, known: impl Into<String>) {
        let findings = self.findings.entry(kind).or_default();
        findings.count += 1;
        if findings.samples.len() < SAMPLES_MAX {
            findings.samples.push((what.into(), known.into()));
        }
    }

    /// Returns how many there are of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.findings
            .get(&kind)
            .map_or(0, |findings| findings.count)
    }

    /// Returns whether every promise was kept.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}
