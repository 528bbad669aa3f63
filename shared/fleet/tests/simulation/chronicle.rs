use std::fmt;
use std::time::Duration;

/// What happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chronicle {
    entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: Duration,
    /// The process, from 1; 0 is the world around them.
    pub(crate) process: u32,
    pub(crate) what: &'static str,
    /// The messages that it concerns, by the order in which they were sent.
    pub(crate) messages: Vec<usize>,
}

impl Chronicle {
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Renders the last entries, a line each.
    pub(crate) fn tail(&self, count: usize) -> String {
        let start = self.entries.len().saturating_sub(count);
        let lines = self.entries[start..]
            .iter()
            .map(|entry| format!("{entry}\n"));
        lines.collect()
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6} ", self.at.as_secs_f64())?;
        match self.process {
            0 => write!(f, "world")?,
            process => write!(f, "p{process:<4}")?,
        }
        write!(f, " {}", self.what)?;
        for message in &self.messages {
            write!(f, " m{message}")?;
        }
        Ok(())
    }
}
