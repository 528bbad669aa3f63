use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio_util::task::TaskTracker;

use super::delivery::{Delivery, Successor};
use super::execute::execute;
use super::lane::Lanes;
use super::probe::Role;
use super::station::Station;
use crate::service::failpoint;

/// The groups of a FIFO queue, each of which works on one message at a time, in order.
///
/// A message starts when the one before it is gone: its effect committed, or its dead-letter copy
/// made, and its deletion queued. When that one comes back instead, for whatever reason, all that
/// wait behind it are given back, uncharged: SQS hands out none of them before the first. Groups
/// know nothing of each other.
pub(super) struct Serial {
    station: Arc<Station>,
    lanes: Arc<Lanes>,
    tasks: TaskTracker,
    /// What waits in each group that has a message at work, and in no other.
    waiting: Mutex<BTreeMap<String, VecDeque<Delivery>>>,
}

impl Serial {
    /// Makes it without a group; its tasks join those of the tracker.
    pub(super) fn new(station: Arc<Station>, lanes: Arc<Lanes>, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            station,
            lanes,
            tasks,
            waiting: Mutex::default(),
        })
    }

    /// Lets a message take its place behind those of its group.
    pub(super) fn join(self: &Arc<Self>, group: String, mut delivery: Delivery) {
        let mut waiting = self.lock();
        if let Some(line) = waiting.get_mut(&group) {
            // Whoever is before it may need the pass that it brings.
            delivery.role = Role::Ordinary;
            return line.push_back(delivery);
        }
        waiting.insert(group.clone(), VecDeque::new());
        drop(waiting);
        self.tasks.spawn(Arc::clone(self).work_off(group, delivery));
    }

    async fn work_off(self: Arc<Self>, group: String, first: Delivery) {
        let mut next = Some(first);
        while let Some(delivery) = next {
            next = match self.is_gone(delivery).await {
                true => self.next(&group),
                false => return self.fall(&group).await,
            };
            failpoint::reach("group.next");
        }
    }

    /// Works on a message until it is settled, and tells whether it is gone for good.
    async fn is_gone(&self, mut delivery: Delivery) -> bool {
        let (successor, settled) = Successor::new();
        delivery.successor = Some(successor);
        // A task of its own, as on any queue: whatever ends it, the group does not end with it.
        let work = execute(Arc::clone(&self.station), Arc::clone(&self.lanes), delivery);
        self.tasks.spawn(work);
        settled.await.is_ok()
    }

    /// Takes the next message of a group, or forgets the group if there is none.
    fn next(&self, group: &str) -> Option<Delivery> {
        let mut waiting = self.lock();
        let next = waiting.get_mut(group).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.remove(group);
        }
        next
    }

    /// Gives back all that waits in a group, and forgets the group.
    async fn fall(&self, group: &str) {
        let line = self.lock().remove(group).unwrap_or_default();
        let ends = line.into_iter().map(|delivery| async {
            let lease = delivery.lease.end().await.ok()?;
            Some((
                Arc::unwrap_or_clone(delivery.message),
                lease,
                delivery.place,
            ))
        });
        let mut places = Vec::new();
        let mut untouched = Vec::new();
        for (message, lease, place) in join_all(ends).await.into_iter().flatten() {
            untouched.push((message, lease));
            places.push(place);
        }
        failpoint::reach("group.falling");
        self.station.give_back(untouched).await;
        drop(places);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Delivery>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
