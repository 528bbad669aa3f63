use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{EndedLease, LeaseLost};
use crate::message::{Message, MessageId, Receipt};
use crate::queue::BATCH_ENTRIES_MAX;

/// Leases that fall due within this time share a call.
const COALESCE: Duration = Duration::from_millis(250);

/// The pause before a failed extension is tried again; the deadline ends the tries.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Which messages are ours and until when: a state machine without a clock and without I/O.
///
/// Each lease stands in `due` exactly once: at its next extension, or, while an
/// extension is under way or no more of them are wanted, at its deadline.
pub(super) struct Book {
    visibility: Duration,
    leases: HashMap<u64, Held>,
    /// The lease of each message that has one; the number tells it from an earlier one.
    by_message: HashMap<MessageId, u64>,
    due: BTreeSet<(Instant, u64)>,
    numbers: u64,
    /// When the keeper looks next, unless somebody wakes it.
    looks_at: Option<Instant>,
}

struct Held {
    message: MessageId,
    receipt: Receipt,
    /// The receive count at the newest receipt.
    receive_last: u32,
    /// Tells an extension of this receipt from one of an older receipt.
    handovers: u32,
    deadline: Instant,
    due: Instant,
    /// After this the message is let go, however long its handler takes.
    keep_until: Option<Instant>,
    extending: bool,
    /// Dropped when the lease is lost, which the owner of the lease sees.
    lost: Option<oneshot::Sender<()>>,
}

/// What taking a message under lease came to.
pub(super) enum Taken {
    /// A lease of its own, and the view of its loss.
    Leased(u64, oneshot::Receiver<()>),
    /// The message is being worked on; its lease has the newer receipt now.
    HandedOver,
}

/// One entry of a call that extends leases.
pub(super) struct Extension {
    number: u64,
    handovers: u32,
    pub(super) receipt: Receipt,
}

/// How one extension ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    /// SQS gave more time, counted from when the request was sent at the earliest.
    Until(Instant),
    /// SQS said that the message is not ours.
    Lost,
    /// There was no answer, or one that may be better the next time.
    Failed,
}

/// What there is to do for the keeper.
pub(super) struct Look {
    /// Leases to extend in one call.
    pub(super) batch: Vec<Extension>,
    /// How many leases ran out.
    pub(super) lost: u64,
    /// When to look again.
    pub(super) next: Instant,
}

impl Book {
    pub(super) fn new(visibility: Duration) -> Self {
        Self {
            visibility,
            leases: HashMap::new(),
            by_message: HashMap::new(),
            due: BTreeSet::new(),
            numbers: 0,
            looks_at: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }

    /// Takes a message under lease whose receive was sent at `sent`.
    pub(super) fn take(&mut self, message: &Message, sent: Instant) -> Taken {
        let Message { id, receipt, .. } = message;
        let receive = message.receive_count;
        let deadline = sent + self.visibility;
        let before = self.by_message.get(id).copied();
        if let Some(held) = before.and_then(|number| self.leases.get_mut(&number))
            && held.lost.is_some()
        {
            held.receipt = receipt.clone();
            held.receive_last = held.receive_last.max(receive);
            held.handovers += 1;
            held.deadline = held.deadline.max(deadline);
            return Taken::HandedOver;
        }
        self.numbers += 1;
        let number = self.numbers;
        let (lost, is_lost) = oneshot::channel();
        let due = sent + self.visibility / 2;
        self.leases.insert(
            number,
            Held {
                message: id.clone(),
                receipt: receipt.clone(),
                receive_last: receive,
                handovers: 0,
                deadline,
                due,
                keep_until: None,
                extending: false,
                lost: Some(lost),
            },
        );
        self.by_message.insert(id.clone(), number);
        self.due.insert((due, number));
        Taken::Leased(number, is_lost)
    }

    /// Tells whether the keeper sleeps longer than the lease can wait, and must be woken.
    pub(super) fn is_urgent(&self) -> bool {
        match (self.due.first(), self.looks_at) {
            (Some((due, _)), Some(looks_at)) => *due < looks_at,
            (first, None) => first.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// Bounds the extensions of a lease.
    pub(super) fn keep_until(&mut self, number: u64, until: Instant) {
        if let Some(held) = self.leases.get_mut(&number) {
            held.keep_until = Some(until);
        }
    }

    /// Tells whether at least half of the visibility timeout is left; if not, an extension is due.
    pub(super) fn confirm(&mut self, number: u64, now: Instant) -> Result<bool, LeaseLost> {
        let half = self.visibility / 2;
        Ok(self.ours(number)?.deadline.saturating_duration_since(now) >= half)
    }

    /// Ends a lease; `None` while an extension is under way.
    pub(super) fn end(&mut self, number: u64) -> Result<Option<EndedLease>, LeaseLost> {
        if self.ours(number)?.extending {
            return Ok(None);
        }
        let held = self.forget(number).ok_or(LeaseLost)?;
        Ok(Some(EndedLease {
            receipt: held.receipt,
            deadline: held.deadline,
            receive_last: held.receive_last,
        }))
    }

    /// Strikes a lease out, whatever its state.
    pub(super) fn drop_lease(&mut self, number: u64) {
        self.forget(number);
    }

    /// Looks for leases that are due, and for those whose time is over.
    ///
    /// With `may_call` unset nothing is extended now, but what runs out is still seen.
    pub(super) fn look(&mut self, now: Instant, may_call: bool, patience: Duration) -> Look {
        let (mut batch, mut lost) = (Vec::new(), 0);
        while let Some((due, number)) = self.due.first().copied() {
            let horizon = if batch.is_empty() {
                now
            } else {
                now + COALESCE
            };
            if due > horizon || batch.len() == BATCH_ENTRIES_MAX {
                break;
            }
            let Some(held) = self.leases.get_mut(&number) else {
                self.due.pop_first();
                continue;
            };
            if held.deadline <= now {
                lost += 1;
                self.lose(number);
                continue;
            }
            let is_kept = held.keep_until.is_none_or(|until| now < until);
            let next = if held.extending || !is_kept {
                if due == held.deadline {
                    break;
                }
                held.deadline
            } else if !may_call {
                held.deadline.min(now + RETRY_PAUSE)
            } else {
                held.extending = true;
                batch.push(Extension {
                    number,
                    handovers: held.handovers,
                    receipt: held.receipt.clone(),
                });
                held.deadline
            };
            self.reschedule(number, next);
        }
        let first = self.due.first().map(|(due, _)| *due);
        let next = first.map_or(now + patience, |due| due.min(now + patience));
        self.looks_at = Some(next);
        Look { batch, lost, next }
    }

    /// Lets every lease be extended anew whose extension will never be heard of.
    pub(super) fn forget_calls(&mut self, now: Instant) {
        for number in self.leases.keys().copied().collect::<Vec<_>>() {
            if (self.ours(number)).is_ok_and(|held| std::mem::take(&mut held.extending)) {
                self.reschedule(number, now);
            }
        }
    }

    /// Notes how an extension ended, and tells whether its lease is lost by it.
    pub(super) fn extended(&mut self, extension: &Extension, end: Extended, now: Instant) -> bool {
        let (number, half) = (extension.number, self.visibility / 2);
        let Ok(held) = self.ours(number) else {
            return false;
        };
        held.extending = false;
        let is_newest = held.handovers == extension.handovers;
        let due = match end {
            Extended::Until(deadline) => {
                held.deadline = held.deadline.max(deadline);
                held.deadline - half
            }
            Extended::Lost if is_newest => {
                self.lose(number);
                return true;
            }
            // An older receipt went stale, the newer one is not asked yet.
            Extended::Lost => now.min(held.deadline),
            Extended::Failed => (now + RETRY_PAUSE).min(held.deadline),
        };
        self.reschedule(number, due);
        false
    }

    fn ours(&mut self, number: u64) -> Result<&mut Held, LeaseLost> {
        let held = self.leases.get_mut(&number).ok_or(LeaseLost)?;
        if held.lost.is_none() {
            return Err(LeaseLost);
        }
        Ok(held)
    }

    /// Tells the owner; the entry stays until the owner drops its lease.
    fn lose(&mut self, number: u64) {
        if let Some(held) = self.leases.get_mut(&number) {
            self.due.remove(&(held.due, number));
            held.lost = None;
        }
    }

    fn reschedule(&mut self, number: u64, due: Instant) {
        if let Some(held) = self.leases.get_mut(&number) {
            self.due.remove(&(held.due, number));
            held.due = due;
            self.due.insert((due, number));
        }
    }

    fn forget(&mut self, number: u64) -> Option<Held> {
        let held = self.leases.remove(&number)?;
        self.due.remove(&(held.due, number));
        if self.by_message.get(&held.message) == Some(&number) {
            self.by_message.remove(&held.message);
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests;
