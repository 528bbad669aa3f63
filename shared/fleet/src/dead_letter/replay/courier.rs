use std::time::Duration;

use tokio::time::Instant;

use super::dispatch::{Insistence, delete, dispatch};
use super::parcel::Parcel;
use super::patience::{PATIENCE, journal};
use super::trouble::ReplayTrouble;
use crate::dead_letter::scan::release;
use crate::message::{Outgoing, Receipt};
use crate::queue::Queue;
use crate::service::failpoint;
use crate::service::retry::Jitter;
use crate::store::{EntryState, Journaled, PostgresStore};

/// The share of a lease that has to be left for a send: what a call may take, and clocks.
const MARGIN: u32 = 4;

/// What is said of a message whose edit came to no end: as it was, it may be another event.
const BEING_EDITED: &str = "was being edited when that was interrupted; type `dlq edit` again";

/// What is said of a message that could not be sent in its time.
const TOO_SLOW: &str = "was not sent, because the journal was too slow";

/// Carries dead letters to their destination, a batch of one receive at a time.
#[derive(Debug)]
pub struct Courier<'a> {
    /// The number of the replay in the journal.
    pub replay: i64,
    /// The journal.
    pub journal: &'a PostgresStore,
    /// The dead-letter queue.
    pub source: &'a dyn Queue,
    /// Where they go.
    pub destination: &'a dyn Queue,
    /// How long the receive hides them.
    pub lease: Duration,
    /// Spreads retries.
    pub jitter: Jitter,
}

/// What became of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It was sent.
    Sent,
    /// A copy of it was sent before, and it was not.
    Copy,
    /// An earlier replay had sent it.
    Finished,
    /// It is still in the dead-letter queue, and this is why.
    Kept(String),
}

/// What is done about a dead letter, by what the journal knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// It is sent, and then deleted.
    Send,
    /// A copy of it was sent as this message: it is marked, and deleted.
    Settle(String),
    /// It was sent: it is only deleted.
    Delete,
    /// There is no time left in which nobody else has it.
    Keep,
}

/// Decides what is done about a dead letter.
fn next(known: &Journaled, lease_left: Duration) -> Next {
    match (known.state, &known.sent_as) {
        (EntryState::Sent | EntryState::Deleted, _) => Next::Delete,
        (EntryState::Planned, Some(sent_as)) => Next::Settle(sent_as.clone()),
        (EntryState::Planned, None) if lease_left.is_zero() => Next::Keep,
        (EntryState::Planned, None) => Next::Send,
    }
}

impl Courier<'_> {
    /// Plans dead letters, sends them, and deletes what is known to be sent; the caller has
    /// received them with one receive that was asked for at `received_at`.
    ///
    /// Returns what became of each, in their order, and why it cannot go on, if so. What was sent
    /// and could not be deleted is met again, and only deleted then.
    ///
    /// # Cancellation
    ///
    /// Not to be dropped: what was sent and not written down would be sent again.
    pub async fn carry(
        &self,
        parcels: Vec<Parcel>,
        received_at: Instant,
    ) -> (Vec<Carried>, Result<(), ReplayTrouble>) {
        let unplanned = Carried::Kept("was not planned".to_owned());
        let mut fates = vec![unplanned; parcels.len()];
        let entries: Vec<_> = parcels.iter().map(|parcel| parcel.entry.clone()).collect();
        let queue = self.source.name();
        let planned = journal(&self.jitter, || {
            self.journal.plan_entries(self.replay, queue, &entries)
        });
        let known = match planned.await {
            Ok(known) => known,
            Err(trouble) => return (fates, Err(trouble)),
        };
        failpoint::reach("replay.planned");
        let ended = self.send(parcels, &known, received_at, &mut fates).await;
        (fates, ended)
    }

    /// Sends what was not sent before, and settles all that is sent now.
    async fn send(
        &self,
        parcels: Vec<Parcel>,
        known: &[Journaled],
        received_at: Instant,
        fates: &mut [Carried],
    ) -> Result<(), ReplayTrouble> {
        let lease_left = (received_at + self.sendable()).duration_since(Instant::now());
        let (mut open, mut messages) = (Vec::new(), Vec::new());
        let (mut sent, mut receipts) = (Vec::new(), Vec::with_capacity(parcels.len()));
        for (place, (parcel, known)) in parcels.into_iter().zip(known).enumerate() {
            let id = parcel.entry.message_id;
            let is_left_to_edit = known.is_edited && !parcel.entry.is_edited;
            match next(known, lease_left) {
                Next::Send if is_left_to_edit => {
                    fates[place] = Carried::Kept(BEING_EDITED.to_owned());
                }
                Next::Send => {
                    messages.push(self.addressed(parcel.message, known.planned_by, &id));
                    open.push((place, id.clone()));
                }
                Next::Settle(sent_as) => {
                    sent.push((id.clone(), sent_as));
                    fates[place] = Carried::Copy;
                }
                Next::Delete => fates[place] = Carried::Finished,
                Next::Keep => fates[place] = Carried::Kept(TOO_SLOW.to_owned()),
            }
            receipts.push((id, parcel.receipt));
        }
        let dispatched = dispatch(self.destination, &messages, &self.insistence(received_at)).await;
        let mut arrived = Vec::new();
        for ((place, id), entry) in open.into_iter().zip(dispatched.entries) {
            match entry {
                Ok(sent_as) => {
                    arrived.push(place);
                    sent.push((id, sent_as.0));
                }
                Err(why) => fates[place] = Carried::Kept(why),
            }
        }
        failpoint::reach("replay.sent");
        if !sent.is_empty() {
            let queue = self.source.name();
            journal(&self.jitter, || {
                self.journal.mark_entries_sent(queue, &sent)
            })
            .await?;
        }
        failpoint::reach("replay.marked");
        for place in arrived {
            fates[place] = Carried::Sent;
        }
        let settled = receipts.into_iter().zip(&*fates);
        let settled = settled.filter(|(_, fate)| !matches!(fate, Carried::Kept(_)));
        let settled = settled.map(|(entry, _)| entry).collect();
        self.delete(settled, received_at).await?;
        dispatched
            .trouble
            .map_or(Ok(()), |error| Err(ReplayTrouble::Destination(error)))
    }

    /// Deletes what is sent, and writes that down.
    async fn delete(
        &self,
        settled: Vec<(String, Receipt)>,
        received_at: Instant,
    ) -> Result<(), ReplayTrouble> {
        if settled.is_empty() {
            return Ok(());
        }
        let (ids, receipts): (Vec<String>, Vec<Receipt>) = settled.into_iter().unzip();
        let insistence = self.insistence(received_at);
        let (deleted, failed) = delete(self.source, &receipts, &insistence).await;
        failpoint::reach("replay.deleted");
        let (gone, there): (Vec<_>, Vec<_>) = ids
            .into_iter()
            .zip(receipts)
            .zip(deleted)
            .partition(|(_, is_deleted)| *is_deleted);
        let gone: Vec<String> = gone.into_iter().map(|((id, _), _)| id).collect();
        if !gone.is_empty() {
            let queue = self.source.name();
            journal(&self.jitter, || {
                self.journal.mark_entries_deleted(queue, &gone)
            })
            .await?;
        }
        failpoint::reach("replay.done");
        if let Some(error) = failed {
            return Err(ReplayTrouble::Source(error));
        }
        // They come back at once, and the journal knows then that they were sent.
        let there: Vec<_> = there.into_iter().map(|((_, receipt), _)| receipt).collect();
        if !there.is_empty() {
            release(self.source, there, &self.jitter).await;
        }
        Ok(())
    }

    /// Gives a message the deduplication id of who planned it first: a repeated send is swallowed.
    fn addressed(&self, message: Outgoing, planned_by: i64, id: &str) -> Outgoing {
        let is_fifo = self.destination.is_fifo();
        Outgoing {
            deduplication_id: is_fifo.then(|| format!("rp:{planned_by}:{id}")),
            ..message
        }
    }

    fn insistence(&self, received_at: Instant) -> Insistence {
        Insistence {
            deadline: (Instant::now() + PATIENCE).min(received_at + self.sendable()),
            jitter: self.jitter.clone(),
        }
    }

    /// Returns how long after its receive a message may be sent: as long as nobody else has it.
    fn sendable(&self) -> Duration {
        self.lease - self.lease / MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_planned_and_no_more_is_sent_and_only_while_nobody_else_has_it() {
        let known = |state, sent_as: Option<&str>| Journaled {
            state,
            planned_by: 1,
            is_edited: false,
            sent_as: sent_as.map(str::to_owned),
        };
        let (some, none) = (Duration::from_millis(1), Duration::ZERO);
        for (state, sent_as, left, expected) in [
            (EntryState::Planned, None, some, Next::Send),
            (EntryState::Planned, None, none, Next::Keep),
            (
                EntryState::Planned,
                Some("m"),
                some,
                Next::Settle("m".to_owned()),
            ),
            (
                EntryState::Planned,
                Some("m"),
                none,
                Next::Settle("m".to_owned()),
            ),
            (EntryState::Sent, None, some, Next::Delete),
            (EntryState::Sent, None, none, Next::Delete),
            (EntryState::Deleted, None, some, Next::Delete),
            (EntryState::Deleted, Some("m"), none, Next::Delete),
        ] {
            assert_eq!(
                next(&known(state, sent_as), left),
                expected,
                "{state:?} {sent_as:?}"
            );
        }
    }
}
