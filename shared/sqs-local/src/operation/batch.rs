//! What all batch operations have in common.

use std::borrow::Cow;

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::limits::{BATCH_ENTRIES_MAX, BATCH_ENTRY_ID_CHARS_MAX};

/// What became of the entries of a batch. Entries that failed are here and nowhere else: the
/// request as a whole succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchOutcome<S> {
    /// The entries that did what was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub successful: Vec<S>,
    /// The entries that did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<BatchFailure>,
}

/// An entry of a batch that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchFailure {
    /// The entry's id.
    pub id: String,
    /// Whether repeating it is of no use.
    pub sender_fault: bool,
    /// The error's code, as the query protocol names it.
    pub code: &'static str,
    /// The text for people.
    pub message: Cow<'static, str>,
}

impl<S> BatchOutcome<S> {
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self {
            successful: Vec::with_capacity(entries),
            failed: Vec::new(),
        }
    }

    pub(super) fn record<T>(
        &mut self,
        id: String,
        result: Result<T, Error>,
        success: impl FnOnce(String, T) -> S,
    ) {
        match result {
            Ok(value) => self.successful.push(success(id, value)),
            Err(Error { kind, message }) => self.failed.push(BatchFailure {
                id,
                sender_fault: kind.is_sender_fault(),
                code: kind.query_code(),
                message,
            }),
        }
    }
}

/// Checks the entries of a batch as a whole: their number and their ids.
pub(super) fn check_entries<'a>(
    operation: &str,
    ids: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), Error> {
    let entries = ids.len();
    if entries == 0 {
        return Err(Error::new(
            ErrorKind::EmptyBatchRequest,
            format!("There should be at least one {operation}RequestEntry in the request."),
        ));
    }
    if entries > BATCH_ENTRIES_MAX {
        return Err(Error::new(
            ErrorKind::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {BATCH_ENTRIES_MAX}. \
                 You have sent {entries}."
            ),
        ));
    }
    let mut seen = Vec::with_capacity(entries);
    for id in ids {
        check_id(id)?;
        if seen.contains(&id) {
            let message = format!("Id {id} repeated.");
            return Err(Error::new(ErrorKind::BatchEntryIdsNotDistinct, message));
        }
        seen.push(id);
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=BATCH_ENTRY_ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidBatchEntryId,
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
         It can be at most 80 letters long.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_to_ten_entries_with_distinct_plain_ids() {
        let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
        let long = "i".repeat(81);
        for (ids, kind) in [
            (&[][..], Some(ErrorKind::EmptyBatchRequest)),
            (&eleven[..], Some(ErrorKind::TooManyEntriesInBatchRequest)),
            (&eleven[..10], None),
            (&["a", "b", "a"], Some(ErrorKind::BatchEntryIdsNotDistinct)),
            (&["a", "a:b"], Some(ErrorKind::InvalidBatchEntryId)),
            (&[""], Some(ErrorKind::InvalidBatchEntryId)),
            (&[&long], Some(ErrorKind::InvalidBatchEntryId)),
            (&["A-z_9"], None),
        ] {
            let result = check_entries("Any", ids.iter().copied());
            assert_eq!(result.err().map(|error| error.kind), kind, "{ids:?}");
        }
    }
}
