use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::breaker::State;
use super::delivery::{Delivery, Place};
use super::dispatch::Dispatcher;
use super::lease::Leases;
use super::pace::Pace;
use super::pool::{Permit, Pool};
use super::station::Station;
use super::valve::Position;
use crate::message::Message;
use crate::queue::{BATCH_ENTRIES_MAX, Queue, QueueError};
use crate::service::health::{Health, Pulse};

/// How long a receive waits for more permits. A request for one message costs
/// as much as one for ten, and under load the permits come back one by one.
const PERMITS_LINGER: Duration = Duration::from_millis(5);

/// How often the loop shows that it is alive while it waits.
const TICK: Duration = Duration::from_secs(1);

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

/// One run of the receiver's loop.
struct Polling<'r> {
    receiver: &'r Receiver,
    breaker: watch::Receiver<State>,
    valve: watch::Receiver<Position>,
    receives: JoinSet<Received>,
    pace: Pace,
    /// Permits for the next receive, and when it is sent with what there is.
    gathered: Vec<Permit>,
    send_at: Instant,
}

/// What the next receive may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Appetite {
    /// There is none to be.
    Nothing,
    /// One message, and no second one before it has ended.
    Probe,
    /// As many messages as there are permits, up to this.
    Messages(usize),
}

/// What one receive brought.
struct Received {
    sent: Instant,
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
    pub(super) async fn run(&self, pulse: &Pulse, stop: &CancellationToken) {
        let mut polling = Polling {
            receiver: self,
            breaker: self.station.breaker.subscribe(),
            valve: self.station.valve.subscribe(),
            receives: JoinSet::new(),
            pace: Pace::new(self.station.jitter.clone()),
            gathered: Vec::new(),
            send_at: Instant::now(),
        };
        polling.run(pulse, stop).await;
        polling.finish(pulse).await;
    }

    /// Takes messages under lease and hands them on.
    fn take_in(&self, messages: Vec<Message>, permits: Vec<Permit>, sent: Instant) {
        for (message, permit) in messages.into_iter().zip(permits) {
            // Of a message that is being worked on only the newer receipt is kept.
            if let Some(lease) = self.leases.hold(&message, sent) {
                self.dispatcher.dispatch(Delivery {
                    message: Arc::new(message),
                    lease,
                    received: sent,
                    place: Place::new(Arc::clone(&self.station), permit),
                });
            }
        }
    }

    /// Makes visible again what came after a stop or a pause, but for what is being worked on.
    async fn give_back(&self, messages: Vec<Message>, sent: Instant) {
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
    }

    fn is_paused(&self) -> bool {
        let station = &self.station;
        !station.valve.is_open(station.clock.now())
    }

    /// Counts a receive and shows whether the queue can be reached.
    fn note(&self, answer: &Result<Vec<Message>, QueueError>) {
        let metrics = &self.station.metrics;
        metrics.receive_completed();
        let finding = match answer {
            Ok(messages) => {
                self.station.progress.polled(messages.is_empty());
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

impl Polling<'_> {
    async fn run(&mut self, pulse: &Pulse, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            pulse.tick();
            let appetite = self.appetite();
            let more = self.gather(appetite);
            let lingers = !self.gathered.is_empty();
            if lingers && (more == 0 || Instant::now() >= self.send_at) {
                self.send();
                continue;
            }
            let wake = self.wake_at();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(received) = self.receives.join_next(), if !self.receives.is_empty() => {
                    self.received(received).await;
                }
                permit = self.receiver.pool.take(), if more > 0 => self.keep(permit),
                permit = self.receiver.pool.take_probe(), if appetite == Appetite::Probe => {
                    self.keep(permit);
                    self.send();
                }
                _ = self.breaker.changed() => {}
                _ = self.valve.changed() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Waits for the receives under way.
    async fn finish(&mut self, pulse: &Pulse) {
        self.gathered.clear();
        while !self.receives.is_empty() {
            pulse.tick();
            tokio::select! {
                biased;
                Some(received) = self.receives.join_next() => {
                    if let Ok(received) = received {
                        self.receiver.note(&received.answer);
                        let messages = received.answer.unwrap_or_default();
                        self.receiver.give_back(messages, received.sent).await;
                    }
                }
                () = sleep_until(Instant::now() + TICK) => {}
            }
        }
    }

    fn appetite(&mut self) -> Appetite {
        self.valve.mark_unchanged();
        if self.receiver.is_paused() {
            return Appetite::Nothing;
        }
        let under_way = self.receives.len();
        let has_room = self.pace.wants_more_than(under_way, Instant::now());
        match &*self.breaker.borrow_and_update() {
            State::Closed if has_room => {
                Appetite::Messages(BATCH_ENTRIES_MAX.min(self.receiver.pool.size()))
            }
            State::HalfOpen { .. } if has_room && under_way == 0 => Appetite::Probe,
            State::Closed | State::HalfOpen { .. } | State::Open { .. } => Appetite::Nothing,
        }
    }

    /// Takes the permits that are free, and returns how many more the next receive could do with.
    fn gather(&mut self, appetite: Appetite) -> usize {
        let Appetite::Messages(most) = appetite else {
            self.gathered.clear();
            return 0;
        };
        while !self.gathered.is_empty() && self.gathered.len() < most {
            let Some(permit) = self.receiver.pool.try_take() else {
                break;
            };
            self.gathered.push(permit);
        }
        most - self.gathered.len()
    }

    fn keep(&mut self, permit: Permit) {
        if self.gathered.is_empty() {
            self.send_at = Instant::now() + PERMITS_LINGER;
        }
        self.gathered.push(permit);
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let linger_ends = (!self.gathered.is_empty()).then_some(self.send_at);
        let soonest = linger_ends.into_iter().chain(self.pace.rests_until(now));
        soonest.fold(now + TICK, Instant::min)
    }

    /// Sends a receive for as many messages as there are permits.
    fn send(&mut self) {
        let permits = std::mem::take(&mut self.gathered);
        let queue = Arc::clone(&self.receiver.queue);
        let wait = self.receiver.station.limits.receive_wait;
        self.receives.spawn(async move {
            let sent = Instant::now();
            let answer = queue.receive(permits.len(), wait).await;
            Received {
                sent,
                permits,
                answer,
            }
        });
    }

    /// Takes in what a receive brought, and sets the pace by it.
    async fn received(&mut self, received: Result<Received, JoinError>) {
        let Received {
            sent,
            permits,
            answer,
        } = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(
                    queue = self.receiver.queue.name(),
                    error = &error as &dyn std::error::Error,
                    "a receive ended early"
                );
                return self.pace.failed(Instant::now(), Instant::now());
            }
        };
        self.receiver.note(&answer);
        match answer {
            Ok(messages) => {
                self.pace.brought(sent, messages.len(), permits.len());
                if self.receiver.is_paused() {
                    self.receiver.give_back(messages, sent).await;
                } else {
                    self.receiver.take_in(messages, permits, sent);
                }
            }
            Err(_) => self.pace.failed(sent, Instant::now()),
        }
    }
}
