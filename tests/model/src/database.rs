use std::collections::BTreeSet;

use crate::design::Key;

/// What Postgres has committed, and what is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Database {
    /// The claims of work that is done.
    pub inbox: BTreeSet<Key>,
    /// How often each event has had its effect.
    pub effects: Vec<u32>,
    /// The failed attempts that are on record, by the message.
    pub charged: Vec<u32>,
    /// What was done about each dead letter.
    pub journal: Vec<Option<Entry>>,
    /// How many replays were begun; the last one's number.
    pub replays: usize,
    /// Transactions that are not over.
    pub open: Vec<Transaction>,
}

/// A transaction with an effect, and with a claim if all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transaction {
    /// Whose it is; nobody's when its commit was sent and nobody waits for the answer.
    pub worker: Option<usize>,
    /// Whose effect it has.
    pub event: usize,
    /// The row of the inbox that it has inserted; whoever inserts the same one waits.
    pub claim: Option<Key>,
}

/// What the journal says of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// How far it is.
    pub state: EntryState,
    /// Which replay has it.
    pub replay: usize,
    /// Which message it was sent as.
    pub sent_as: Option<usize>,
}

/// How far a dead letter is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// Perhaps sent.
    Planned,
    /// Sent, for certain.
    Sent,
    /// Sent, and deleted from the dead-letter queue.
    Deleted,
}

impl Database {
    /// Tells whether an open transaction has inserted a claim.
    pub fn is_locked(&self, key: Key) -> bool {
        self.open.iter().any(|open| open.claim == Some(key))
    }

    /// Opens a transaction. In a fixed order, so that the order of opening makes no difference.
    pub fn open(&mut self, transaction: Transaction) {
        self.open.push(transaction);
        self.open.sort_unstable();
    }

    /// Takes the transaction of a worker out of those that are open.
    pub fn close(&mut self, worker: usize) -> Option<Transaction> {
        let owned = |open: &Transaction| open.worker == Some(worker);
        let place = self.open.iter().position(owned)?;
        Some(self.open.remove(place))
    }

    /// Makes effect and claim of a transaction durable.
    pub fn commit(&mut self, transaction: Transaction) {
        self.effects[transaction.event] += 1;
        self.inbox.extend(transaction.claim);
    }

    /// Counts a failed attempt of a message.
    pub fn charge(&mut self, message: usize) {
        if self.charged.len() <= message {
            self.charged.resize(message + 1, 0);
        }
        self.charged[message] += 1;
    }

    /// Returns how many failed attempts of a message are on record.
    pub fn charged(&self, message: usize) -> u32 {
        self.charged.get(message).copied().unwrap_or_default()
    }

    /// Returns what the journal says of a dead letter.
    pub fn entry(&self, letter: usize) -> Option<Entry> {
        self.journal.get(letter).copied().flatten()
    }

    /// Writes down what was done about a dead letter.
    pub fn write(&mut self, letter: usize, entry: Entry) {
        if self.journal.len() <= letter {
            self.journal.resize(letter + 1, None);
        }
        self.journal[letter] = Some(entry);
    }
}
