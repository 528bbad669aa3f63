//! The fault plan that a service is under.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sqs::Sqs;
use crate::fault::{FaultPlan, Faults, Subject, Verdict};
use crate::limits::Millis;

/// Where a service keeps its plan.
#[derive(Debug, Default)]
pub(super) struct FaultCell {
    /// Spares calls the lock while there is no plan.
    is_set: AtomicBool,
    faults: Mutex<Option<Faults>>,
}

impl FaultCell {
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    pub(super) fn decide(&self, now: Millis, call: &Subject<'_>) -> Verdict {
        match self.lock().as_mut() {
            Some(faults) => faults.decide(now, call),
            None => Verdict::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Faults>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, faults: Option<Faults>) {
        let mut guard = self.lock();
        self.is_set.store(faults.is_some(), Ordering::Release);
        *guard = faults;
    }
}

impl Sqs {
    /// Puts the service under a plan, from now on and instead of the one before.
    ///
    /// Calls in process see only what needs no connection; [`fault`](crate::fault) says which.
    pub fn set_faults(&self, plan: FaultPlan) {
        let now = self.clock().now();
        self.account.faults.replace(Some(Faults::new(plan, now)));
    }

    /// Ends the plan. What hangs because of it goes on hanging.
    pub fn clear_faults(&self) {
        self.account.faults.replace(None);
    }

    /// Returns the plan that the service is under.
    pub fn faults(&self) -> Option<FaultPlan> {
        let faults = self.account.faults.lock();
        faults.as_ref().map(|faults| faults.plan().clone())
    }
}
