use std::time::Duration;

use fleet::message::{MessageId, Outgoing, Receipt};
use fleet::queue::{Entries, Queue as _, QueueError};
use fleet::testing::queue::LocalQueue;

use crate::queue::original;
use crate::world::World;

/// A request of many entries, which may arrive long after its client has given up.
#[derive(Debug)]
pub(crate) enum Request {
    Send(Vec<Outgoing>),
    Delete(Vec<Receipt>),
    Show(Vec<(Receipt, Duration)>),
}

impl Request {
    pub(crate) fn remove(&mut self, at: usize) {
        match self {
            Self::Send(copies) => drop(copies.remove(at)),
            Self::Delete(receipts) => drop(receipts.remove(at)),
            Self::Show(changes) => drop(changes.remove(at)),
        }
    }

    /// Has its effect; every entry is checked at this moment.
    pub(crate) async fn carry_out(
        self,
        queue: &LocalQueue,
        world: &World,
    ) -> Result<Entries<Option<MessageId>>, QueueError> {
        match self {
            Self::Send(copies) if copies.is_empty() => Ok(Vec::new()),
            Self::Delete(receipts) if receipts.is_empty() => Ok(Vec::new()),
            Self::Show(changes) if changes.is_empty() => Ok(Vec::new()),
            Self::Send(copies) => {
                let answer = queue.send(&copies).await?;
                let truth = &mut world.lock().truth;
                for failure in copies.iter().filter_map(original) {
                    let message = truth.message(&failure.message_id);
                    truth.copied(message.expect("it was sent"), &failure);
                }
                Ok(answer.into_iter().map(|entry| entry.map(Some)).collect())
            }
            Self::Delete(receipts) => {
                for receipt in &receipts {
                    let truth = &mut world.lock().truth;
                    let message = truth.of_receipt(&receipt.0);
                    truth.deleting(message.expect("it was handed out"));
                }
                Ok(nameless(queue.delete(&receipts).await?))
            }
            Self::Show(changes) => Ok(nameless(queue.change_visibility(&changes).await?)),
        }
    }
}

fn nameless(entries: Entries<()>) -> Entries<Option<MessageId>> {
    entries
        .into_iter()
        .map(|entry| entry.map(|()| None))
        .collect()
}
