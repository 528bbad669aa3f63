//! What waits, under its lease, for something that is down.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::delivery::Delivery;
use super::error::DATABASE;
use super::lease::Lease;
use super::outages::{Admission, Finding};
use super::outcome::{Ending, Outcome};
use super::probe::Role;
use super::seen::Seen;
use super::station::Station;
use crate::service::failpoint;

/// How much longer than its handler a message is kept: for the commit and the settlement. A
/// handler that blocks its thread cannot be cancelled, and is not kept company for ever.
pub(super) const KEEP_MARGIN: Duration = Duration::from_secs(60);

/// How long a message waits for its turn. SQS lets it be invisible for twelve
/// hours in all; what is left has to be enough for its handler.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// How often a message has to have been released for want of a dependency
/// before the fault may be its own.
pub(super) const RELEASES_FREE: u32 = 2;

/// How long it waits when the fault seems to be its own. Its five attempts last longer than an
/// outage of a minute: its handler may call for some events what it does not need for others.
const ALONE_RETRY: Duration = Duration::from_secs(60);

impl Station {
    /// Waits until a delivery may run: what a receive brings that was under way when something went down.
    ///
    /// It is held, because every release would cost the message a receive.
    ///
    /// # Errors
    ///
    /// The delivery has an ending without its handler.
    ///
    /// # Cancellation
    ///
    /// The delivery stays what it was.
    pub(super) async fn let_in(&self, delivery: &mut Delivery) -> Result<(), Ending> {
        if self.breaker.admission() == Admission::All {
            return Ok(());
        }
        let gives_up = Instant::now() + WAIT_MAX;
        delivery.lease.keep_until(gives_up + KEEP_MARGIN);
        let may_run = self.may_run(&mut delivery.role);
        tokio::select! {
            biased;
            () = may_run => Ok(()),
            ending = self.is_disturbed(&mut delivery.lease) => Err(ending),
            () = sleep_until(gives_up) => Err(self.released_by_outage()),
        }
    }

    /// Completes when nothing is down any more, or when the delivery has got the pass of the one that is let through.
    async fn may_run(&self, role: &mut Role) {
        let mut outages = self.breaker.subscribe();
        loop {
            let admission = outages.borrow_and_update().admission();
            match (admission, &role) {
                (Admission::All, _) | (Admission::One, Role::LetThrough(_)) => return,
                (Admission::One, _) => {}
                // Somebody else found out how things stand.
                (Admission::Nothing, _) => *role = Role::Ordinary,
            }
            tokio::select! {
                biased;
                _ = outages.changed() => {}
                pass = self.breaker.pass(), if admission == Admission::One => {
                    *role = Role::LetThrough(pass);
                }
            }
        }
    }

    /// Tells whether a message is kept because its handler found a dependency down; it waits then, and runs again.
    ///
    /// A message that finds it down for the third time while others of its type
    /// got done is alone with that, and fails.
    pub(super) fn keeps(
        &self,
        delivery: &mut Delivery,
        seen: &Seen,
        event_type: &'static str,
        ending: &mut Ending,
    ) -> bool {
        let Outcome::Unavailable {
            dependency: Some(dependency),
        } = &ending.outcome
        else {
            return false;
        };
        if dependency == DATABASE {
            return false;
        }
        if self.is_alone(seen, event_type) && !self.breaker.is_down(dependency) {
            let reason = format!("{dependency} is unavailable to this message alone");
            ending.outcome = Outcome::Failed {
                reason: reason.into(),
                after: Some(ALONE_RETRY + self.jitter.up_to(ALONE_RETRY / 4)),
            };
            return false;
        }
        let role = &mut delivery.role;
        let finding = Finding {
            dependency,
            event_type,
            began: seen.started,
            receives: delivery.message.receive_count,
        };
        let is_kept = self.breaker.keeps(role, &finding);
        if is_kept && seen.is_suspect(&delivery.message) {
            // The longer it is kept, the likelier the end of the process is laid at its door.
            *role = Role::Ordinary;
            return false;
        }
        is_kept
    }

    /// Tells whether a message was released for want of a dependency while others got done.
    fn is_alone(&self, seen: &Seen, event_type: &str) -> bool {
        let got_done = |since| self.successes.any_after(event_type, since);
        seen.history.unavailable >= RELEASES_FREE
            && seen.history.unavailable_since.is_some_and(got_done)
    }

    /// Waits until a message that is kept should run again.
    ///
    /// # Errors
    ///
    /// The delivery has an ending without it.
    ///
    /// # Cancellation
    ///
    /// The message stays the probe.
    pub(super) async fn pause(&self, delivery: &mut Delivery) -> Result<(), Ending> {
        let Role::Probe(probe) = &mut delivery.role else {
            return Ok(());
        };
        failpoint::reach("consume.kept");
        let pause = probe.pause();
        let lease = &mut delivery.lease;
        lease.keep_until(Instant::now() + pause + KEEP_MARGIN);
        tokio::select! {
            biased;
            ending = self.is_disturbed(lease) => Err(ending),
            () = probe.is_over() => Ok(()),
            () = sleep(pause) => Ok(()),
        }
    }

    /// Completes when a message must not wait any longer.
    async fn is_disturbed(&self, lease: &mut Lease) -> Ending {
        let mut valve = self.valve.subscribe();
        let shut = valve.wait_for(|position| !position.is_open(self.clock.now()));
        tokio::select! {
            biased;
            () = lease.lost() => Outcome::LeaseLost.into(),
            () = self.stop_receiving.cancelled() => Outcome::Interrupted.into(),
            _ = shut => Outcome::Interrupted.into(),
        }
    }

    fn released_by_outage(&self) -> Ending {
        let down = self.progress.down().pop_first();
        Outcome::Unavailable { dependency: down }.into()
    }
}
