use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::delivery::Delivery;
use super::group::{Item, Member};
use super::lane::Intake;
use super::outcome::{Ending, Outcome};
use super::seen::Seen;
use super::station::Station;
use crate::message::{Envelope, Event, RawEnvelope};
use crate::service::failpoint;

/// Events that wait for the committer; their permits bound them already.
pub(super) const QUEUED_MAX: usize = 1_000;

/// Where the events of a committer come in.
pub(super) struct Admission<E> {
    event_type: &'static str,
    station: Arc<Station>,
    items: mpsc::Sender<Item<E>>,
}

impl<E: Event> Admission<E> {
    pub(super) fn new(station: Arc<Station>) -> (Self, mpsc::Receiver<Item<E>>) {
        let (items, admitted) = mpsc::channel(QUEUED_MAX);
        let admission = Self {
            event_type: E::TYPE,
            station,
            items,
        };
        (admission, admitted)
    }

    async fn open(
        &self,
        event: RawEnvelope<'_>,
        delivery: &Delivery,
        seen: &mut Seen,
    ) -> Result<Envelope<E>, Ending> {
        let (station, message, lease) = (&self.station, &delivery.message, &delivery.lease);
        let prepared = station.prepare(&event, message, false, seen).await;
        let admitted = match prepared {
            Ok(()) => station.admit(&event.key, message, lease, seen).await,
            Err(ending) => Err(ending),
        };
        let decoded = event.decode().map_err(Outcome::Undecodable);
        seen.learn(event, Some(self.event_type));
        admitted?;
        Ok(decoded?)
    }
}

#[async_trait]
impl<E: Event> Intake for Admission<E> {
    async fn admit(&self, event: RawEnvelope<'_>, delivery: Delivery, mut seen: Seen) {
        match self.open(event, &delivery, &mut seen).await {
            Err(ending) => self.station.settle(delivery, seen, ending).await,
            Ok(event) => {
                let member = Member { delivery, seen };
                // The committer outlives every delivery.
                let _ = self.items.send(Item { member, event }).await;
                failpoint::reach("batch.admitted");
            }
        }
    }
}
