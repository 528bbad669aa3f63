use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lease::Lease;
use super::pool::Permit;
use super::probe::Role;
use super::station::Station;
use crate::message::Message;
use crate::service::traces::TraceContext;

/// One message that this process has to settle.
///
/// It owns its place in the pool and its lease; dropping it gives both back.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Shared, so that an envelope can borrow it while the delivery changes hands.
    pub(super) message: Arc<Message>,
    pub(super) lease: Lease,
    /// When its receive was sent: SQS counts its limits from there.
    pub(super) received: Instant,
    /// The span of its receive.
    pub(super) receive: Option<TraceContext>,
    /// What it is to the breaker.
    pub(super) role: Role,
    pub(super) place: Place,
    /// Who waits behind it; nobody does on a standard queue.
    pub(super) successor: Option<Successor>,
}

/// Whoever waits for a message to be gone. Dropping it says that the message comes back.
#[derive(Debug)]
pub(super) struct Successor(oneshot::Sender<()>);

impl Successor {
    /// Makes one, and the end at which it waits.
    pub(super) fn new() -> (Self, oneshot::Receiver<()>) {
        let (successor, settled) = oneshot::channel();
        (Self(successor), settled)
    }

    /// Says that the message is gone for good.
    pub(super) fn take_over(self) {
        // Nobody may be there any more.
        let _ = self.0.send(());
    }
}

/// A place in the pool, counted as long as it is taken.
pub(super) struct Place {
    station: Arc<Station>,
    bytes: u64,
    _permit: Permit,
}

impl Place {
    /// Takes a place for a message that was received.
    pub(super) fn new(station: Arc<Station>, permit: Permit, message: &Message) -> Self {
        let bytes = message.body.len() as u64;
        station.budget.enter(bytes);
        station.metrics.inflight.increment(1.0);
        station.progress.received();
        Self {
            station,
            bytes,
            _permit: permit,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.station.budget.leave(self.bytes);
        self.station.metrics.inflight.decrement(1.0);
        self.station.progress.settled();
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
