use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::acknowledger::{Ack, Action};
use super::breaker::State;
use super::delivery::{Delivery, Permit, Pool};
use super::dispatch::Dispatcher;
use super::lease::Leases;
use super::station::Station;
use crate::message::Message;
use crate::queue::{BATCH_ENTRIES_MAX, Queue, QueueError};
use crate::service::health::{Health, Pulse};
use crate::service::retry::Backoff;

/// The most receives under way at once. With 10 ms of latency 64 of them carry
/// 40,000 messages a second.
const RECEIVES_MAX: usize = 64;

/// The ceilings of the pauses after a failed receive.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// How often the loop shows that it is alive while it waits.
const TICK: Duration = Duration::from_secs(1);

/// Long-polls a queue, never for more messages than there are permits.
///
/// One receive is under way when the queue is idle; another joins whenever one
/// comes back full.
pub(super) struct Receiver {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) pool: Pool,
    pub(super) leases: Arc<Leases>,
    pub(super) station: Arc<Station>,
    pub(super) dispatcher: Dispatcher,
    pub(super) health: Health,
}

/// What one receive brought.
struct Received {
    sent: Instant,
    asked: usize,
    permits: Vec<Permit>,
    answer: Result<Vec<Message>, QueueError>,
}

impl Receiver {
    /// Receives until told to stop, then waits for the receives under way and gives back what they bring.
    ///
    /// # Cancellation
    ///
    /// It must not be dropped: messages of a receive under way would stay
    /// invisible for the whole visibility timeout.
    pub(super) async fn run(self, pulse: &Pulse, stop: &CancellationToken) {
        let mut receives = JoinSet::new();
        let mut wanted = 1;
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, self.station.jitter.clone());
        let mut breaker = self.station.breaker.subscribe();
        while !stop.is_cancelled() {
            pulse.tick();
            let most = self.room(&mut breaker, receives.len(), wanted);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(received) = receives.join_next(), if !receives.is_empty() => {
                    let Ok(received) = received else { continue };
                    match self.take_in(received).await {
                        Ok(full) if full => wanted = (wanted + 1).min(RECEIVES_MAX),
                        Ok(_) => wanted = 1,
                        Err(()) => {
                            wanted = 1;
                            pause(backoff.next(), stop, pulse).await;
                            continue;
                        }
                    }
                    backoff.reset();
                }
                permits = self.pool.take(most), if most > 0 => {
                    receives.spawn(receive(
                        Arc::clone(&self.queue),
                        permits,
                        self.station.limits.receive_wait,
                    ));
                }
                _ = breaker.changed() => {}
                () = sleep(TICK) => {}
            }
        }
        while let Some(received) = receives.join_next().await {
            if let Ok(received) = received {
                self.give_back(received).await;
            }
        }
        self.dispatcher.finish().await;
    }

    /// Returns how many messages the next receive may bring; 0 when there is none to be.
    fn room(&self, breaker: &mut watch::Receiver<State>, under_way: usize, wanted: usize) -> usize {
        match &*breaker.borrow_and_update() {
            State::Closed if under_way < wanted => BATCH_ENTRIES_MAX,
            State::HalfOpen { .. } if under_way == 0 && self.pool.taken() == 0 => 1,
            State::Closed | State::HalfOpen { .. } | State::Open { .. } => 0,
        }
    }

    /// Takes messages under lease and hands them on; tells whether the receive came back full.
    async fn take_in(&self, received: Received) -> Result<bool, ()> {
        let Received {
            sent,
            asked,
            permits,
            answer,
        } = received;
        let messages = self.note(answer)?;
        let full = messages.len() == asked;
        for (message, permit) in messages.into_iter().zip(permits) {
            if let Some(lease) = self.leases.hold(&message.id, &message.receipt, sent) {
                self.station.metrics.inflight.increment(1.0);
                self.dispatcher.dispatch(Delivery {
                    message,
                    lease,
                    permit,
                });
            }
        }
        Ok(full)
    }

    /// Makes visible again what came after the stop.
    async fn give_back(&self, received: Received) {
        let until = received.sent + self.station.limits.visibility;
        for message in self.note(received.answer).unwrap_or_default() {
            let action = Action::Show(Duration::ZERO);
            let ack = Ack {
                receipt: message.receipt,
                action,
                until,
            };
            // The acknowledger lives as long as the station has its sender.
            let _ = self.station.acks.send(ack).await;
        }
    }

    fn note(&self, answer: Result<Vec<Message>, QueueError>) -> Result<Vec<Message>, ()> {
        let metrics = &self.station.metrics;
        let check = format!("queue {}", self.queue.name());
        match answer {
            Ok(messages) => {
                self.health.set_check(&check, Ok(()));
                self.station.progress.received(messages.len());
                metrics.receives.increment(if messages.is_empty() {
                    "empty"
                } else {
                    "messages"
                });
                metrics.messages_received.increment(messages.len() as u64);
                metrics.receive_completed();
                Ok(messages)
            }
            Err(error) => {
                self.health.set_check(&check, Err(error.to_string()));
                metrics.receives.increment("failed");
                metrics.receive_completed();
                tracing::warn!(
                    queue = self.queue.name(),
                    error = &error as &dyn std::error::Error,
                    "receive failed"
                );
                Err(())
            }
        }
    }
}

async fn receive(queue: Arc<dyn Queue>, permits: Vec<Permit>, wait: Duration) -> Received {
    let sent = Instant::now();
    let asked = permits.len();
    let answer = queue.receive(asked, wait).await;
    Received {
        sent,
        asked,
        permits,
        answer,
    }
}

async fn pause(pause: Duration, stop: &CancellationToken, pulse: &Pulse) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(pause) => pulse.tick(),
    }
}
