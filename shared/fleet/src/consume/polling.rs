use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::outages::{Admission, Outages};
use super::pace::Pace;
use super::pool::Permit;
use super::probe::Role;
use super::receiver::{Asked, Received, Receiver};
use super::valve::Position;
use crate::message::Message;
use crate::queue::{BATCH_ENTRIES_MAX, Bucket};
use crate::service::failpoint;
use crate::service::health::Pulse;
use crate::service::watch;

/// How long a receive waits for more permits. A request for one message costs
/// as much as one for ten, and under load the permits come back one by one.
const PERMITS_LINGER: Duration = Duration::from_millis(5);

/// How often the loop shows that it is alive while it waits.
const TICK: Duration = Duration::from_secs(1);

/// One run of the receiver's loop.
struct Polling<'r> {
    receiver: &'r Receiver,
    outages: watch::Receiver<Outages>,
    valve: watch::Receiver<Position>,
    receives: JoinSet<Received>,
    pace: Pace,
    /// How many messages the receives under way ask for.
    asked: Arc<AtomicUsize>,
    bucket: Option<Bucket>,
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

impl Receiver {
    /// Receives until told to stop, then waits for the receives under way and gives back what they bring.
    ///
    /// # Cancellation
    ///
    /// It must not be dropped: messages of a receive under way would stay
    /// invisible for the whole visibility timeout.
    pub(super) async fn run(&self, pulse: &Pulse, stop: &CancellationToken) {
        let rate_limit = self.station.limits.rate_limit;
        let mut polling = Polling {
            receiver: self,
            outages: self.station.breaker.subscribe(),
            valve: self.station.valve.subscribe(),
            receives: JoinSet::new(),
            pace: Pace::new(self.station.jitter.clone()),
            asked: Arc::default(),
            bucket: rate_limit.map(|limit| Bucket::new(limit, Instant::now())),
            gathered: Vec::new(),
            send_at: Instant::now(),
        };
        polling.poll(pulse, stop).await;
        polling.finish(pulse).await;
    }

    /// Waits until one message may be let through; a handler that takes hours does not count.
    ///
    /// # Cancellation
    ///
    /// Dropping the future takes nothing.
    async fn let_through(&self) -> (Permit, Role) {
        // The permit first: those who hold one may be waiting to be let through.
        let permit = self.pool.take().await;
        let pass = self.station.breaker.pass().await;
        (permit, Role::LetThrough(pass))
    }
}

impl Polling<'_> {
    async fn poll(&mut self, pulse: &Pulse, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            pulse.tick();
            let appetite = self.appetite();
            let more = self.gather(appetite);
            let lingers = !self.gathered.is_empty();
            if lingers && (more == 0 || Instant::now() >= self.send_at) {
                let permits = std::mem::take(&mut self.gathered);
                self.send(permits, Role::Ordinary);
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
                (permit, role) = self.receiver.let_through(), if appetite == Appetite::Probe => {
                    self.send(vec![permit], role);
                }
                () = self.receiver.station.budget.left() => {}
                _ = self.outages.changed() => {}
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
        let admission = self.outages.borrow_and_update().admission();
        if !has_room || admission == Admission::Nothing {
            return Appetite::Nothing;
        }
        match (admission, self.room()) {
            (_, 0) => Appetite::Nothing,
            (Admission::All, most) => Appetite::Messages(most),
            (_, _) if under_way == 0 => Appetite::Probe,
            (_, _) => Appetite::Nothing,
        }
    }

    /// Returns how many messages rate and memory allow the next receive to bring.
    fn room(&mut self) -> usize {
        let asked = self.asked.load(Ordering::Relaxed);
        let most = BATCH_ENTRIES_MAX.min(self.receiver.pool.size());
        let most = self.receiver.station.budget.room(asked, most);
        match &mut self.bucket {
            Some(bucket) => bucket.room(asked, Instant::now()).min(most),
            None => most,
        }
    }

    /// Takes the permits that are free, and returns how many more the next receive could do with.
    fn gather(&mut self, appetite: Appetite) -> usize {
        let Appetite::Messages(most) = appetite else {
            self.gathered.clear();
            return 0;
        };
        self.gathered.truncate(most);
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
        let asked = self.asked.load(Ordering::Relaxed);
        let bucket = self.bucket.as_ref();
        let opens = bucket.and_then(|bucket| bucket.opens_at(asked));
        let soonest = linger_ends.into_iter().chain(self.pace.rests_until(now));
        let soonest = soonest.chain(opens);
        soonest.fold(now + TICK, Instant::min)
    }

    /// Sends a receive for as many messages as there are permits.
    fn send(&mut self, permits: Vec<Permit>, role: Role) {
        let queue = Arc::clone(&self.receiver.queue);
        let asked = Asked::new(permits.len(), &self.asked);
        let wait = self.receiver.station.limits.receive_wait;
        self.receives.spawn(async move {
            let sent = Instant::now();
            let answer = queue.receive(permits.len(), wait).await;
            failpoint::reach("receive.answered");
            Received {
                sent,
                permits,
                role,
                answer,
                asked,
            }
        });
    }

    /// Takes in what a receive brought, and sets the pace by it.
    async fn received(&mut self, received: Result<Received, JoinError>) {
        let Received {
            sent,
            permits,
            role,
            answer,
            asked,
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
                self.account_for(&messages);
                if self.receiver.is_paused() {
                    self.receiver.give_back(messages, sent).await;
                } else {
                    self.receiver.take_in(messages, permits, role, sent);
                }
            }
            Err(_) => self.pace.failed(sent, Instant::now()),
        }
        drop(asked);
    }

    fn account_for(&mut self, messages: &[Message]) {
        if let Some(bucket) = &mut self.bucket {
            bucket.pay(messages.len(), Instant::now());
        }
        let bytes = messages.iter().map(|message| message.body.len() as u64);
        self.receiver.station.budget.learn(bytes);
    }
}
