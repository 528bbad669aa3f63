//! Names of queues.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

const NAME_CHARS_MAX: usize = 80;
const FIFO_SUFFIX: &str = ".fifo";

/// The name of a queue, which keeps the rules: 1 to 80 characters, with `.fifo` at the end of
/// the name of a FIFO queue and no other period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks a name.
    ///
    /// # Errors
    /// `InvalidParameterValue` if the name breaks the rules.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if stem.is_empty() || name.len() > NAME_CHARS_MAX || !stem.bytes().all(plain) {
            return Err(Error::invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. \
                 1 to 80 in length",
            ));
        }
        Ok(Self(name.into()))
    }

    /// Tells whether this is the name of a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(FIFO_SUFFIX)
    }

    /// Returns the name of the dead-letter queue that goes with a queue of this name:
    /// `orders-dlq` with `orders`, `orders-dlq.fifo` with `orders.fifo`.
    ///
    /// # Errors
    /// `InvalidParameterValue` if that name would be too long.
    pub fn dead_letter(&self) -> Result<Self, Error> {
        match self.0.strip_suffix(FIFO_SUFFIX) {
            Some(stem) => Self::parse(&format!("{stem}-dlq{FIFO_SUFFIX}")),
            None => Self::parse(&format!("{}-dlq", self.0)),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for QueueName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_rules() {
        for good in ["a", "Orders_v2-x", "a.fifo", &"q".repeat(80)] {
            assert!(QueueName::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}.fifo", "q".repeat(76));
        for bad in [
            "",
            ".fifo",
            "a.b",
            "a b",
            "ü",
            "a.fifo.fifo",
            &"q".repeat(81),
            &long,
        ] {
            assert!(QueueName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_queue_has_a_dead_letter_queue_of_its_type() {
        let dlq = |name| {
            QueueName::parse(name)
                .and_then(|name| name.dead_letter())
                .unwrap()
        };
        assert_eq!(dlq("orders").as_str(), "orders-dlq");
        assert_eq!(dlq("orders.fifo").as_str(), "orders-dlq.fifo");
    }
}
