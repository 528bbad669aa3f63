//! Receives that wait, on tokio's clock.

use std::convert::Infallible;
use std::sync::Arc;

use super::address;
use super::cell::Cell;
use super::settings::AbandonedReceives;
use super::sqs::Sqs;
use crate::error::Error;
use crate::limits::Millis;
use crate::queue::{Delivery, Received, Take, Ticket};

impl Sqs {
    /// Receives, for at most the given time, or as long as the queue says.
    ///
    /// # Cancellation
    /// A receive that waits goes on without its caller, unless the settings end it; then it is
    /// as if it had not been, except for messages handed over at that very moment.
    pub(crate) async fn receive(
        &self,
        url: &str,
        take: Take,
        wait: Option<Millis>,
    ) -> Result<Vec<Delivery>, Error> {
        let (cell, received) = self.start_receive(url, take, wait)?;
        match received {
            Received::Now(deliveries) => Ok(deliveries),
            Received::Waiting {
                ticket,
                deadline,
                mut answer,
            } => {
                let place = Place {
                    sqs: self,
                    cell: &cell,
                    ticket,
                };
                tokio::select! {
                    biased;
                    deliveries = &mut answer => deliveries.map_err(|_| Error::no_such_queue()),
                    () = tokio::time::sleep_until(self.clock().instant(deadline)) => {
                        // Something may have come at the last moment.
                        place.end();
                        Ok(answer.try_recv().unwrap_or_default())
                    }
                    never = self.watch(&cell) => match never {},
                }
            }
        }
    }

    fn start_receive(
        &self,
        url: &str,
        take: Take,
        wait: Option<Millis>,
    ) -> Result<(Arc<Cell>, Received), Error> {
        let name = address::read(url)?;
        let registry = self.account.registry();
        let cell = registry.find(name)?;
        let received = registry.run(cell, self.clock(), |queue, now| {
            if self.wants_duplicate()
                && let Some(delivery) = queue.duplicate(now, &take)
            {
                return Ok(Received::Now(vec![delivery]));
            }
            queue.receive(now, take, wait.unwrap_or(queue.attributes.receive_wait))
        })?;
        Ok((Arc::clone(cell), received))
    }

    /// Watches the clock for all who wait on a queue: one of them does, the others stand by to
    /// take over when it goes.
    ///
    /// # Cancellation
    /// Passes the watch on. If nobody is left, the queue catches up at its next operation.
    async fn watch(&self, cell: &Cell) -> Infallible {
        let _watch = cell.watch.lock().await;
        loop {
            match self.catch_up(cell) {
                None => cell.due_changed.notified().await,
                Some(due) => {
                    tokio::select! {
                        // In a fixed order, so that a seeded run repeats exactly.
                        biased;
                        () = tokio::time::sleep_until(self.clock().instant(due)) => {}
                        () = cell.due_changed.notified() => {}
                    }
                }
            }
        }
    }

    fn catch_up(&self, cell: &Cell) -> Option<Millis> {
        self.account
            .registry()
            .run(cell, self.clock(), |queue, _| queue.next_due())
    }
}

/// A place among those who wait.
struct Place<'a> {
    sqs: &'a Sqs,
    cell: &'a Cell,
    ticket: Ticket,
}

impl Place<'_> {
    fn end(&self) {
        let leave = |queue: &mut crate::queue::Queue, _| queue.leave(self.ticket);
        self.sqs
            .account
            .registry()
            .run(self.cell, self.sqs.clock(), leave);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.sqs.abandoned_receives == AbandonedReceives::End {
            self.cell.lock().leave(self.ticket);
        }
    }
}
