//! One call of which a fault plan may have something to say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sqs::Sqs;
use crate::error::{Error, ErrorKind};
use crate::fault::{Breakage, Face, Fault, FaultPlan, Faults, Subject, Verdict};
use crate::operation::Operation;

/// Where a service keeps the plan it is under.
#[derive(Debug, Default)]
pub(super) struct FaultCell {
    /// Spares calls the lock while there is no plan.
    is_set: AtomicBool,
    faults: Mutex<Option<Faults>>,
}

impl FaultCell {
    fn lock(&self) -> MutexGuard<'_, Option<Faults>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, faults: Option<Faults>) {
        let mut guard = self.lock();
        self.is_set.store(faults.is_some(), Ordering::Release);
        *guard = faults;
    }
}

/// A call and what the plan says of it.
pub(crate) struct Call<'a> {
    sqs: &'a Sqs,
    verdict: Verdict,
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

    /// Begins a call; `None` if nothing is to be said of it, which is the usual case.
    pub(crate) fn begin<O: Operation>(&self, operation: &O, face: Face) -> Option<Call<'_>> {
        if !self.account.faults.is_set.load(Ordering::Acquire) {
            return None;
        }
        let subject = Subject {
            operation: O::NAME,
            queue: operation.queue().and_then(queue_name),
            entries: operation.entries(),
            face,
        };
        let now = self.clock().now();
        let mut faults = self.account.faults.lock();
        let verdict = faults.as_mut()?.decide(now, &subject);
        Some(Call { sqs: self, verdict })
    }

    /// Fails if the plan wants this entry of the running batch to fail.
    pub(crate) fn entry(&self, index: usize) -> Result<(), Error> {
        match self.fault {
            Some(Fault::Partial(failing)) if failing.has(index) => {
                Err(refusal(ErrorKind::Internal))
            }
            _ => Ok(()),
        }
    }
}

impl Call<'_> {
    /// Carries out what is asked, as far as the plan lets it.
    ///
    /// # Errors
    /// What the operation answers, or the plan instead of it.
    pub(crate) async fn carry_out<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        match self.verdict.fault.map(|(_, fault)| fault) {
            None => operation.run(self.sqs).await,
            Some(Fault::Refuse(kind)) => Err(refusal(kind)),
            // Nobody will see this answer.
            Some(Fault::Break(Breakage::Reset | Breakage::Hang)) => {
                Err(refusal(ErrorKind::ServiceUnavailable))
            }
            Some(fault) => operation.run(&self.sqs.under(fault)).await,
        }
    }

    /// Returns what becomes of the connection instead of an answer.
    pub(crate) fn breakage(&self) -> Option<Breakage> {
        match self.verdict.fault {
            Some((_, Fault::Break(breakage))) => Some(breakage),
            _ => None,
        }
    }

    /// Returns how far the server's clock is off, in milliseconds, if the plan says so.
    pub(crate) fn skew(&self) -> Option<i64> {
        self.verdict.skew
    }
}

/// Reads the name of a queue from its name, URL or ARN, however wrong that may be.
fn queue_name(text: &str) -> Option<&str> {
    text.rsplit(['/', ':'])
        .next()
        .filter(|name| !name.is_empty())
}

fn refusal(kind: ErrorKind) -> Error {
    let message = match kind {
        ErrorKind::ServiceUnavailable => "The service is not available at the moment.",
        ErrorKind::Throttling => "Rate exceeded",
        ErrorKind::RequestThrottled => "Request is throttled.",
        ErrorKind::ExpiredToken => "The security token included in the request is expired",
        _ => "An internal error occurred. Please try again.",
    };
    Error::new(kind, message)
}
