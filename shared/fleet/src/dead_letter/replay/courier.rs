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
        let is_late = received_at + self.sendable() <= Instant::now();
        let (mut open, mut messages) = (Vec::new(), Vec::new());
        let (mut sent, mut receipts) = (Vec::new(), Vec::with_capacity(parcels.len()));
        for (place, (parcel, known)) in parcels.into_iter().zip(known).enumerate() {
            let id = parcel.entry.message_id;
            match (known.state, &known.sent_as) {
                (EntryState::Planned, None) if is_late => {
                    fates[place] = Carried::Kept("the journal was too slow".to_owned());
                }
                (EntryState::Planned, None) => {
                    messages.push(self.addressed(parcel.message, known.planned_by, &id));
                    open.push((place, id.clone()));
                }
                (EntryState::Planned, Some(sent_as)) => {
                    sent.push((id.clone(), sent_as.clone()));
                    fates[place] = Carried::Copy;
                }
                (EntryState::Sent | EntryState::Deleted, _) => fates[place] = Carried::Finished,
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
