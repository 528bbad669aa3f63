use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::budget::Budget;
use super::courier::Carried;
use super::held::Held;
use super::order::Order;
use super::parcel::Parcel;
use super::under_way::{Claim, UnderWay};
use crate::dead_letter::letter::Death;
use crate::message::{Message, MessageId, Receipt};

/// What is said of a message whose event the inbox may have forgotten.
const TOO_OLD: &str = "is older than the inbox remembers";

/// What is said of a message without a group on its way to a FIFO queue.
const NO_GROUP: &str = "has no group, which a FIFO queue asks for";

/// Decides which messages go, and counts what became of them.
pub(super) struct Sorter<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) budget: Budget,
    pub(super) held: Held,
    pub(super) under_way: UnderWay,
    pub(super) tally: Mutex<Tally>,
}

/// How many of the messages of a receive are through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) sent: usize,
    /// Those that were sent before, or as another, included.
    pub(super) through: u64,
}

/// What has become of messages, in numbers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) copies: u64,
    pub(super) finished: u64,
    pub(super) kept: BTreeMap<String, u64>,
    pub(super) passed_over: u64,
}

/// What a receive brought, sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// To be sent.
    pub(super) parcels: Vec<Parcel>,
    /// Their ids, and what keeps copies of them waiting.
    pub(super) claims: Vec<(MessageId, Option<Claim<'a>>)>,
    /// Not meant.
    pub(super) aside: Vec<Receipt>,
    /// Copies of what is being sent at this moment.
    pub(super) copies: Vec<Receipt>,
    /// Whether any was not met before.
    pub(super) has_new: bool,
}

impl Sorter<'_> {
    /// Decides of each message whether it is sent now, and remembers all of them.
    pub(super) fn sort(&self, messages: &[Message]) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        for message in messages {
            // One that was met before is held for a reason, which holds on.
            if !self.held.note(message) {
                continue;
            }
            sorted.has_new = true;
            let death = Death::of(message, &self.order.origin);
            if !self.is_meant(message, &death) {
                self.tally(|tally| tally.passed_over += 1);
                sorted.aside.push(message.receipt.clone());
                continue;
            }
            if let Some(why) = self.obstacle(message, &death) {
                self.tally(|tally| *tally.kept.entry(why.to_owned()).or_default() += 1);
                sorted.aside.push(message.receipt.clone());
                continue;
            }
            if self.budget.take(1) == 0 {
                self.held.forget(&message.id);
                sorted.copies.push(message.receipt.clone());
                continue;
            }
            let parcel = match self.order.edited {
                Some(edited) => Parcel::edited(message, &death, edited.clone()),
                None => Parcel::restored(message, &death, self.order.to),
            };
            let content = parcel.entry.content.as_deref();
            let claim = content.map(|content| self.under_way.claim(content));
            if matches!(claim, Some(None)) {
                self.budget.put_back(1);
                self.held.forget(&message.id);
                sorted.copies.push(message.receipt.clone());
                continue;
            }
            sorted.parcels.push(parcel);
            sorted.claims.push((message.id.clone(), claim.flatten()));
        }
        sorted
    }

    /// Tells whether a message is one of those that were dead before the cut and are asked for.
    fn is_meant(&self, message: &Message, death: &Death) -> bool {
        let cut = self.order.cut;
        death.at() < cut && death.sent_at < cut && self.order.matcher.admits(death, message)
    }

    /// Says why a message that is meant cannot be sent, if so.
    fn obstacle(&self, message: &Message, death: &Death) -> Option<&'static str> {
        let is_too_old = self
            .order
            .oldest
            .is_some_and(|oldest| death.first_sent_at < oldest);
        let lacks_group = self.order.destination.is_fifo() && message.group_id.is_none();
        match (is_too_old, lacks_group) {
            (true, _) => Some(TOO_OLD),
            (false, true) => Some(NO_GROUP),
            (false, false) => None,
        }
    }

    /// Counts what became of messages, and returns how many are through.
    pub(super) fn settle(
        &self,
        fates: Vec<Carried>,
        claims: Vec<(MessageId, Option<Claim<'_>>)>,
    ) -> Settled {
        let mut settled = Settled::default();
        for (fate, (id, _claim)) in fates.into_iter().zip(claims) {
            if fate != Carried::Sent {
                self.budget.put_back(1);
            }
            if !matches!(fate, Carried::Kept(_)) {
                self.held.forget(&id);
                settled.through += 1;
            }
            self.tally(|tally| match fate {
                Carried::Sent => {
                    tally.sent += 1;
                    settled.sent += 1;
                }
                Carried::Copy => tally.copies += 1,
                Carried::Finished => tally.finished += 1,
                Carried::Kept(why) => *tally.kept.entry(why).or_default() += 1,
            });
        }
        settled
    }

    /// Counts the messages that were met and are meant.
    pub(super) fn met(&self) -> u64 {
        let mut met = 0;
        self.tally(|tally| {
            met = tally.sent + tally.copies + tally.finished + tally.kept.values().sum::<u64>();
        });
        met
    }

    fn tally(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
