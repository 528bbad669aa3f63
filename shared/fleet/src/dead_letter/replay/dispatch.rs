use std::collections::{HashMap, HashSet};

use tokio::time::{Instant, sleep};

use super::patience::PAUSES;
use crate::dead_letter::scan::may_pass;
use crate::message::{MessageId, Outgoing, Receipt};
use crate::queue::{BATCH_ENTRIES_MAX, EntryError, Queue, QueueError, QueueErrorKind, split};
use crate::service::retry::{Backoff, Jitter};

/// What is said of a message that was not tried, because one before it in its group was not sent.
const BEHIND: &str = "waits behind another one of its group";

/// What is said of a message that was not tried, because the destination took nothing.
const NOT_TRIED: &str = "was not tried";

/// What became of messages that were to be sent, and why it ended early if it did.
#[derive(Debug)]
pub(super) struct Dispatched {
    /// The new MessageId of each, or why it has none.
    pub(super) entries: Vec<Result<MessageId, String>>,
    /// The destination takes nothing at all.
    pub(super) trouble: Option<QueueError>,
}

/// Until when calls are repeated, and how their pauses are drawn.
#[derive(Clone, Debug)]
pub(super) struct Insistence {
    pub(super) deadline: Instant,
    pub(super) jitter: Jitter,
}

/// Sends messages, in order within each group of a FIFO queue, until each is taken, refused, or
/// its time is over.
///
/// A send whose answer is lost is made again: the message keeps its event key, and on a FIFO
/// queue its deduplication id.
///
/// # Cancellation
///
/// Not to be dropped: what was sent meanwhile would not be written down.
pub(super) async fn dispatch(
    queue: &dyn Queue,
    messages: &[Outgoing],
    insistence: &Insistence,
) -> Dispatched {
    let mut entries = vec![Err(NOT_TRIED.to_owned()); messages.len()];
    let mut halted: HashSet<&str> = HashSet::new();
    let rounds = match queue.is_fifo() {
        true => rounds(messages),
        false => vec![(0..messages.len()).collect()],
    };
    for round in rounds {
        let group = |place: usize| messages[place].group_id.as_deref().unwrap_or_default();
        let (behind, open): (Vec<usize>, Vec<usize>) = round
            .into_iter()
            .partition(|place| halted.contains(group(*place)));
        for place in behind {
            entries[place] = Err(BEHIND.to_owned());
        }
        let trouble = send_all(queue, messages, open.clone(), insistence, &mut entries).await;
        if trouble.is_some() {
            return Dispatched { entries, trouble };
        }
        if queue.is_fifo() {
            let failed = open.into_iter().filter(|place| entries[*place].is_err());
            halted.extend(failed.map(group));
        }
    }
    Dispatched {
        entries,
        trouble: None,
    }
}

/// Deletes messages until each is deleted, refused, or its time is over; tells for each whether
/// it is deleted.
///
/// # Cancellation
///
/// Those that it has not come to stay.
pub(super) async fn delete(
    queue: &dyn Queue,
    receipts: &[Receipt],
    insistence: &Insistence,
) -> (Vec<bool>, Option<QueueError>) {
    let mut deleted = vec![false; receipts.len()];
    let mut open: Vec<usize> = (0..receipts.len()).collect();
    let mut backoff = insistence.backoff();
    loop {
        let (mut left, mut failed) = (Vec::new(), None);
        for places in open.chunks(BATCH_ENTRIES_MAX) {
            let batch: Vec<_> = places
                .iter()
                .map(|place| receipts[*place].clone())
                .collect();
            match queue.delete(&batch).await {
                Ok(answers) => {
                    for (place, answer) in places.iter().zip(answers) {
                        match answer {
                            Ok(()) => deleted[*place] = true,
                            Err(error) if error.sender_fault => {}
                            Err(_) => left.push(*place),
                        }
                    }
                }
                Err(error) if may_pass(error.kind) => {
                    left.extend_from_slice(places);
                    failed = Some(error);
                }
                Err(error) => return (deleted, Some(error)),
            }
        }
        if left.is_empty() || !insistence.waits(&mut backoff).await {
            return (deleted, failed);
        }
        open = left;
    }
}

/// Sends messages by their places, and returns why the destination takes nothing, if so.
async fn send_all(
    queue: &dyn Queue,
    messages: &[Outgoing],
    mut open: Vec<usize>,
    insistence: &Insistence,
    entries: &mut [Result<MessageId, String>],
) -> Option<QueueError> {
    let mut backoff = insistence.backoff();
    let mut are_single = false;
    loop {
        let (mut left, mut failed) = (Vec::new(), None);
        let batch: Vec<_> = open.iter().map(|place| messages[*place].clone()).collect();
        let ranges = match are_single {
            true => (0..batch.len()).map(|index| index..index + 1).collect(),
            false => split(&batch),
        };
        for range in ranges {
            let places = &open[range.clone()];
            match queue.send(&batch[range]).await {
                Ok(answers) => {
                    for (place, answer) in places.iter().zip(answers) {
                        if answer.as_ref().is_err_and(|error| !error.sender_fault) {
                            left.push(*place);
                        }
                        entries[*place] = answer.map_err(refusal);
                    }
                }
                // One of them is at fault; one by one it shows which.
                Err(error) if error.kind == QueueErrorKind::Refused && places.len() > 1 => {
                    are_single = true;
                    left.extend_from_slice(places);
                }
                Err(error) if error.kind == QueueErrorKind::Refused => {
                    let code = error.code.unwrap_or_else(|| "no code".to_owned());
                    entries[places[0]] = Err(format!("was refused ({code})"));
                }
                Err(error) if may_pass(error.kind) => {
                    left.extend_from_slice(places);
                    failed = Some(error);
                }
                Err(error) => return Some(error),
            }
        }
        if left.is_empty() || !insistence.waits(&mut backoff).await {
            return failed;
        }
        open = left;
    }
}

fn refusal(error: EntryError) -> String {
    format!("was refused ({})", error.code)
}

/// Divides places into rounds: the first message of each group, then the second of each, so that
/// none of a group is sent before the one ahead of it was taken.
fn rounds(messages: &[Outgoing]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut seen: HashMap<Option<&str>, usize> = HashMap::new();
    for (place, message) in messages.iter().enumerate() {
        let round = seen.entry(message.group_id.as_deref()).or_default();
        match rounds.get_mut(*round) {
            Some(places) => places.push(place),
            None => rounds.push(vec![place]),
        }
        *round += 1;
    }
    rounds
}

impl Insistence {
    fn backoff(&self) -> Backoff {
        Backoff::new(PAUSES.0, PAUSES.1, self.jitter.clone())
    }

    /// Waits before another try, or tells that there is no time for one.
    async fn waits(&self, backoff: &mut Backoff) -> bool {
        let pause = backoff.next();
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_round_has_one_of_a_group_and_the_groups_keep_their_order(
            groups in prop::collection::vec(0u8..4, 0..12),
        ) {
            let messages: Vec<_> = groups
                .iter()
                .map(|group| Outgoing {
                    group_id: Some(group.to_string()),
                    ..Outgoing::new("x")
                })
                .collect();
            let rounds = rounds(&messages);
            for round in &rounds {
                let distinct: HashSet<_> = round.iter().map(|place| groups[*place]).collect();
                prop_assert_eq!(distinct.len(), round.len());
            }
            let sent: Vec<usize> = rounds.into_iter().flatten().collect();
            for group in 0..4 {
                let of_group: Vec<_> =
                    sent.iter().filter(|place| groups[**place] == group).collect();
                prop_assert!(of_group.is_sorted());
            }
            let mut all = sent;
            all.sort_unstable();
            prop_assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
        }
    }
}
