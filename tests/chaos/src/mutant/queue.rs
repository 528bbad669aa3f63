use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{Failure, Message, MessageId, Outgoing, Receipt};
use fleet::queue::{Entries, Queue, QueueAttributes, QueueError, QueueErrorKind};
use serde_json::Value;

/// A way to a queue, with a slip.
#[derive(Debug)]
pub(super) struct Careless {
    pub(super) inner: Arc<dyn Queue>,
    pub(super) slip: Slip,
}

/// What goes otherwise than it should.
#[derive(Debug)]
pub(super) enum Slip {
    /// Deletes what it receives.
    Takes {
        /// The way on which messages are deleted.
        settle: Arc<dyn Queue>,
    },
    /// Believes that it has leases of messages that are deleted.
    Imagines,
    /// Makes the id of the message a part of the event's key.
    Renames,
    /// Notes by which receipts messages can be deleted.
    Notes(Arc<Receipts>),
    /// Deletes the originals of the copies that it sends, before it sends them.
    Buries {
        /// The way on which messages are deleted.
        settle: Arc<dyn Queue>,
        /// What was received.
        receipts: Arc<Receipts>,
    },
}

/// The newest receipt of each message that was received. It grows: such a fleet runs for a minute.
#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<HashMap<String, Receipt>>);

impl Receipts {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Receipt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns those of the messages that copies are made of.
    fn of_originals(&self, copies: &[Outgoing]) -> Vec<Receipt> {
        let known = self.lock();
        let failures = copies
            .iter()
            .filter_map(|copy| Failure::unfold(&mut copy.attributes.clone()));
        failures
            .filter_map(|failure| known.get(&failure.message_id).cloned())
            .collect()
    }
}

#[async_trait]
impl Queue for Careless {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let mut messages = self.inner.receive(max, wait).await?;
        match &self.slip {
            Slip::Takes { settle } if !messages.is_empty() => {
                let receipts: Vec<_> = messages.iter().map(|m| m.receipt.clone()).collect();
                // Should it fail, the usual delete comes later.
                let _deleted = settle.delete(&receipts).await;
            }
            Slip::Renames => messages.iter_mut().for_each(rename),
            Slip::Notes(receipts) => {
                let notes = messages.iter().map(|m| (m.id.0.clone(), m.receipt.clone()));
                receipts.lock().extend(notes);
            }
            _ => {}
        }
        Ok(messages)
    }

    async fn send(&self, copies: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        if let Slip::Buries { settle, receipts } = &self.slip {
            let originals = receipts.of_originals(copies);
            let deleted = settle.delete(&originals).await?;
            if deleted.iter().any(Result::is_err) {
                return Err(undone());
            }
        }
        self.inner.send(copies).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        self.inner.delete(receipts).await
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        if matches!(self.slip, Slip::Imagines) {
            return Ok(changes.iter().map(|_| Ok(())).collect());
        }
        self.inner.change_visibility(changes).await
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        self.inner.attributes().await
    }
}

/// Makes the message's id a part of its event's source, and with it of the event's key; whatever the
/// handler books is booked under the id of the event as before.
fn rename(message: &mut Message) {
    let Ok(mut event) = serde_json::from_str::<Value>(&message.body) else {
        return;
    };
    if let Some(Value::String(source)) = event.get_mut("source") {
        *source = format!("{source}#{}", message.id);
        message.body = event.to_string();
    }
}

/// An original that could not be deleted is no reason to send a copy.
fn undone() -> QueueError {
    QueueError {
        operation: "DeleteMessageBatch",
        kind: QueueErrorKind::Server,
        code: None,
        source: None,
    }
}
