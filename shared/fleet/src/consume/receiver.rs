use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::delivery::{Delivery, Place};
use super::dispatch::Dispatcher;
use super::lease::Leases;
use super::pool::{Permit, Pool};
use super::probe::Role;
use super::station::Station;
use crate::message::Message;
use crate::queue::{Queue, QueueError};
use crate::service::failpoint;
use crate::service::health::Health;
use crate::service::traces::Span;

/// Long-polls a queue, never for more messages than there are permits.
///
/// One receive is under way when the queue is idle; another joins whenever one
/// comes back full.
pub(super) struct Receiver {
    pub(super) queue: Arc<dyn Queue>,
    /// The name by which the health shows whether the queue can be reached.
    pub(super) check: String,
    pub(super) pool: Pool,
    pub(super) leases: Arc<Leases>,
    pub(super) station: Arc<Station>,
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) health: Health,
}

/// What one receive brought.
pub(super) struct Received {
    pub(super) sent: Instant,
    pub(super) permits: Vec<Permit>,
    pub(super) role: Role,
    pub(super) answer: Result<Vec<Message>, QueueError>,
    pub(super) asked: Asked,
}

/// The messages that a receive under way asks for, counted until it has ended, be it by a panic.
pub(super) struct Asked {
    messages: usize,
    of_all: Arc<AtomicUsize>,
}

impl Asked {
    pub(super) fn new(messages: usize, of_all: &Arc<AtomicUsize>) -> Self {
        of_all.fetch_add(messages, Ordering::Relaxed);
        Self {
            messages,
            of_all: Arc::clone(of_all),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.of_all.fetch_sub(self.messages, Ordering::Relaxed);
    }
}

impl Receiver {
    /// Takes messages under lease and hands them on.
    pub(super) fn take_in(
        &self,
        messages: Vec<Message>,
        permits: Vec<Permit>,
        mut role: Role,
        sent: Instant,
    ) {
        let receive = Span::receive(self.queue.name(), sent.elapsed(), messages.len()).context();
        for (message, permit) in messages.into_iter().zip(permits) {
            // Of a message that is being worked on only the newer receipt is kept.
            if let Some(lease) = self.leases.hold(&message, sent) {
                failpoint::reach("receive.leased");
                self.dispatcher.dispatch(Delivery {
                    place: Place::new(Arc::clone(&self.station), permit, &message),
                    message: Arc::new(message),
                    lease,
                    received: sent,
                    receive: receive.clone(),
                    role: std::mem::take(&mut role),
                    successor: None,
                });
            }
        }
    }

    /// Makes visible again what came after a stop or a pause, but for what is being worked on.
    pub(super) async fn give_back(&self, messages: Vec<Message>, sent: Instant) {
        let mut untouched = Vec::with_capacity(messages.len());
        for message in messages {
            let Some(lease) = self.leases.hold(&message, sent) else {
                continue;
            };
            if let Ok(lease) = lease.end().await {
                untouched.push((message, lease));
            }
        }
        self.station.give_back(untouched).await;
        failpoint::reach("receive.given_back");
    }

    pub(super) fn is_paused(&self) -> bool {
        let station = &self.station;
        !station.valve.is_open(station.clock.now())
    }

    /// Counts a receive and shows whether the queue can be reached.
    pub(super) fn note(&self, answer: &Result<Vec<Message>, QueueError>) {
        let metrics = &self.station.metrics;
        metrics.receive_completed();
        let finding = match answer {
            Ok(messages) => {
                let (progress, now) = (&self.station.progress, self.station.clock.now());
                progress.polled(messages.is_empty());
                progress.brought(messages, now);
                let result = if messages.is_empty() {
                    "empty"
                } else {
                    "messages"
                };
                metrics.receives.increment(result);
                metrics.messages_received.increment(messages.len() as u64);
                Ok(())
            }
            Err(error) => {
                metrics.receives.increment("failed");
                tracing::warn!(
                    queue = self.queue.name(),
                    error = error as &dyn std::error::Error,
                    "receive failed"
                );
                Err(error.to_string())
            }
        };
        self.health.set_check(&self.check, finding);
    }
}
