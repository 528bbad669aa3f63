//! What the producer knows of each of its sends, and nothing else.

/// What became of one send, as its producer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// SQS has it.
    Acknowledged,
    /// SQS said that it does not have it.
    Failed,
    /// There was no answer, or one that leaves it open.
    Unknown,
}

/// All sends of one event, counted by their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sends {
    /// Those that were acknowledged.
    pub acknowledged: u8,
    /// Those that failed for sure.
    pub failed: u8,
    /// Those of which nobody knows.
    pub unknown: u8,
}

/// The sends of a whole run, by the number of the event.
#[derive(Clone, Debug)]
pub struct Journal {
    /// What the transfers were dealt from.
    pub seed: u64,
    sends: Vec<Sends>,
}

/// What a journal comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Events that were sent at all.
    pub events: u64,
    /// Events with a send that was acknowledged.
    pub acknowledged: u64,
    /// Sends that failed for sure.
    pub sends_failed: u64,
    /// Sends of which nobody knows.
    pub sends_unknown: u64,
    /// Events that were never acknowledged.
    pub left_open: u64,
}

impl Sends {
    /// Returns whether there was any.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl Journal {
    /// Makes an empty one for so many events.
    pub fn new(seed: u64, events: u32) -> Self {
        Self {
            seed,
            sends: vec![Sends::default(); events as usize],
        }
    }

    /// Writes down what became of a send.
    ///
    /// # Panics
    ///
    /// The run has no event of this number.
    pub fn record(&mut self, number: u32, answer: Answer) {
        let sends = &mut self.sends[number as usize];
        let count = match answer {
            Answer::Acknowledged => &mut sends.acknowledged,
            Answer::Failed => &mut sends.failed,
            Answer::Unknown => &mut sends.unknown,
        };
        *count = count.saturating_add(1);
    }

    /// Returns the sends of an event; none if the run has no such event.
    pub fn sends(&self, number: u32) -> Sends {
        let sends = self.sends.get(number as usize);
        sends.copied().unwrap_or_default()
    }

    /// Walks over the numbers of the run.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.sends.len()).unwrap_or(u32::MAX)
    }

    /// Adds it up.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for sends in self.sends.iter().filter(|sends| sends.any()) {
            totals.events += 1;
            totals.acknowledged += u64::from(sends.acknowledged > 0);
            totals.left_open += u64::from(sends.acknowledged == 0);
            totals.sends_failed += u64::from(sends.failed);
            totals.sends_unknown += u64::from(sends.unknown);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_counts_the_answers_of_each_event() {
        let mut journal = Journal::new(7, 3);
        journal.record(0, Answer::Unknown);
        journal.record(0, Answer::Acknowledged);
        journal.record(1, Answer::Failed);
        let expected = Sends {
            acknowledged: 1,
            failed: 0,
            unknown: 1,
        };
        assert_eq!(journal.sends(0), expected);
        assert!(!journal.sends(2).any() && !journal.sends(9).any());
        let totals = Totals {
            events: 2,
            acknowledged: 1,
            sends_failed: 1,
            sends_unknown: 1,
            left_open: 1,
        };
        assert_eq!(journal.totals(), totals);
    }
}
