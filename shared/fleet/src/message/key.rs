use std::fmt;

use serde::{Deserialize, Serialize};

/// The most bytes of a key's source or id.
///
/// A btree entry of Postgres holds about 2,700 bytes, and a key takes two of
/// these beside the consumer's name (`store`, table `inbox`).
pub const KEY_PART_BYTES_MAX: usize = 1024;

/// What makes two deliveries the same event: the producer's source and id.
///
/// It is never the MessageId of one delivery, which a dead-letter copy or a
/// replay changes. Together with the consumer's name it is the primary key of
/// the inbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// Where the event comes from, such as `/shop/orders` or a topic's ARN.
    pub source: String,
    /// What the source calls it; unique within the source.
    pub id: String,
}

impl EventKey {
    /// Makes a key from a source and an id.
    pub fn new(source: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            id: id.into(),
        }
    }
}

/// Says what keeps a text from being a part of a key, or a type: both are stored in Postgres text
/// and in an index, and both have limits.
pub(super) fn misfit_of(text: &str) -> Option<String> {
    if text.is_empty() {
        Some("is empty".to_owned())
    } else if text.len() > KEY_PART_BYTES_MAX {
        let bytes = text.len();
        Some(format!(
            "has {bytes} bytes, at most {KEY_PART_BYTES_MAX} are allowed"
        ))
    } else if text.contains('\0') {
        Some("contains U+0000".to_owned())
    } else {
        None
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.id)
    }
}
