use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::error::DATABASE;
use super::outages::{Dependency, Finding};
use super::outcome::Outcome;
use crate::service::retry::Backoff;

/// What a delivery is to the breaker.
#[derive(Debug, Default)]
pub(super) enum Role {
    #[default]
    Ordinary,
    /// It is let through to see how things stand.
    LetThrough(Pass),
    /// It is kept to see when its dependency is back.
    Probe(Probe),
}

/// The right of one message at a time to be let through.
#[derive(Debug)]
pub(super) struct Pass {
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The right of a message to be kept; dropping it gives it to another.
pub(super) struct Probe {
    breaker: Arc<Breaker>,
    dependency: Dependency,
    number: u64,
    pauses: Backoff,
}

impl Breaker {
    /// Waits until the message before has shown what it had to, and returns the right to let one more through.
    ///
    /// # Cancellation
    ///
    /// Dropping the future takes nothing.
    pub(super) async fn pass(&self) -> Pass {
        let permit = Arc::clone(&self.passes).acquire_owned().await;
        Pass {
            _permit: permit.expect("the semaphore is never closed"),
            since: Instant::now(),
        }
    }

    /// Learns that a delivery's handler found a dependency down, and tells whether the message is kept as the probe.
    pub(super) fn keeps(self: &Arc<Self>, role: &mut Role, finding: &Finding<'_>) -> bool {
        let now = Instant::now();
        if let Role::Probe(probe) = role
            && probe.dependency == *finding.dependency
        {
            let number = probe.number;
            // One that another message showed to be back is down for this message alone.
            return self.change(|outages| outages.fail(finding.dependency, number, now));
        }
        let met = self.change(|outages| outages.meet(finding, now));
        let Some(number) = met else { return false };
        *role = Role::Probe(Probe {
            breaker: Arc::clone(self),
            dependency: finding.dependency.clone(),
            number,
            pauses: self.pauses(),
        });
        true
    }

    /// Learns from the end of a delivery.
    ///
    /// What says nothing about a dependency, such as a duplicate or a timeout,
    /// makes room for another probe.
    pub(super) fn ended(&self, role: &Role, outcome: &Outcome, event_type: Option<&str>) {
        if let Outcome::Unavailable {
            dependency: Some(dependency),
        } = outcome
            && dependency == DATABASE
        {
            self.lose_database();
        }
        let is_own_end = matches!(
            outcome,
            Outcome::Processed
                | Outcome::Rejected { .. }
                | Outcome::Failed { .. }
                | Outcome::Panicked
        );
        if !is_own_end {
            return;
        }
        let back = match role {
            Role::Ordinary => return,
            Role::Probe(probe) if probe.is_kept() => vec![probe.dependency.clone()],
            Role::Probe(_) => return,
            Role::LetThrough(pass) => self.outages.borrow().shown_back_by(event_type, pass.since),
        };
        for dependency in back {
            self.close(&dependency);
        }
    }
}

impl Probe {
    /// Draws the pause before its message runs again.
    pub(super) fn pause(&mut self) -> Duration {
        self.pauses.next()
    }

    /// Completes when the dependency is known to be back, or another message took its place.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost by it.
    pub(super) async fn is_over(&self) {
        let mut outages = self.breaker.subscribe();
        let over = outages.wait_for(|outages| !outages.keeps(&self.dependency, self.number));
        let _ = over.await;
    }

    fn is_kept(&self) -> bool {
        let outages = self.breaker.outages.borrow();
        outages.keeps(&self.dependency, self.number)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.is_kept() {
            let (dependency, number) = (&self.dependency, self.number);
            self.breaker
                .change(|outages| outages.lose(dependency, number));
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("dependency", &self.dependency)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
