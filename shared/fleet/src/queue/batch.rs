use std::ops::Range;

use super::BATCH_ENTRIES_MAX;
use crate::message::{BODY_BYTES_MAX, Outgoing};

/// Cuts messages into batches that SQS accepts: at most ten entries and 1 MiB each.
///
/// The order is kept. A message that is too large alone gets a batch alone, so
/// that SQS's refusal concerns nobody else.
pub fn split(messages: &[Outgoing]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, message) in messages.iter().enumerate() {
        let size = message.size_bytes();
        let full = index - start == BATCH_ENTRIES_MAX || bytes + size > BODY_BYTES_MAX;
        if index > start && full {
            batches.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < messages.len() {
        batches.push(start..messages.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn batches_keep_order_and_limits(sizes in proptest::collection::vec(1usize..1_300_000, 0..40)) {
            let messages: Vec<_> =
                sizes.iter().map(|size| Outgoing::new("x".repeat(*size))).collect();
            let batches = split(&messages);
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..messages.len()).collect::<Vec<_>>());
            for batch in batches {
                let bytes: usize = sizes[batch.clone()].iter().sum();
                prop_assert!(!batch.is_empty() && batch.len() <= BATCH_ENTRIES_MAX);
                prop_assert!(bytes <= BODY_BYTES_MAX || batch.len() == 1);
            }
        }
    }
}
