use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{Failure, Message, MessageId, Outgoing, Receipt};
use fleet::queue::{Entries, EntryError, Queue, QueueAttributes, QueueError, QueueErrorKind};
use fleet::testing::queue::LocalQueue;
use tokio::time::{Instant, timeout};

use crate::process::Process;
use crate::request::Request;

/// How long the client waits for an answer, beyond the time that a receive may wait.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A process's way to a queue, on which everything goes wrong that can.
#[derive(Clone, Debug)]
pub(crate) struct ShakyQueue {
    pub(crate) process: Arc<Process>,
    pub(crate) inner: LocalQueue,
    pub(crate) role: Role,
}

/// What a client is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Receive,
    Settle,
    Lease,
    DeadLetters,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    /// It fails as a whole, without an effect.
    Fails(QueueErrorKind),
    /// It has no effect and no answer.
    Hangs,
    /// It has its effect, and no answer.
    LosesAnswer,
    /// It has its effect after this time, and no answer.
    ComesLate(Duration),
    /// One of its entries fails, the others go well.
    FailsOne(&'static str, bool),
    /// The client has a bug.
    Panics,
}

/// Counts what a receive asks for as long as it is under way.
struct Asking<'p>(&'p Process, usize);

impl ShakyQueue {
    fn fate(&self) -> Fate {
        let state = &mut *self.process.world.lock();
        if state.is_queue_down {
            return Fate::Fails(QueueErrorKind::Unreachable);
        }
        let (chance, rate) = (&mut state.chance, state.weather.queue);
        if !chance.permille(6 * rate) {
            return Fate::Passes;
        }
        match chance.within(0..=9) {
            0 => Fate::Fails(QueueErrorKind::Unreachable),
            1 => Fate::Fails(QueueErrorKind::Throttled),
            2 => Fate::Fails(QueueErrorKind::Server),
            3 => Fate::Hangs,
            4 => Fate::ComesLate(chance.millis(0..=15_000)),
            5 => Fate::FailsOne("InternalError", false),
            6 => Fate::FailsOne("ReceiptHandleIsInvalid", true),
            7 => Fate::Panics,
            _ => Fate::LosesAnswer,
        }
    }

    /// Sends a request on its way, and returns what becomes of it if it arrives.
    async fn begin(&self, what: &'static str, messages: &[usize]) -> Result<Fate, QueueError> {
        self.process.pass().await;
        self.process.note(what, messages);
        let fate = self.fate();
        self.process.world.rest(self.process.world.latency()).await;
        self.process.pass().await;
        match fate {
            Fate::Fails(kind) => {
                self.process.note("  fails", messages);
                Err(error(kind))
            }
            Fate::Hangs => {
                self.process.note("  hangs", messages);
                std::future::pending().await
            }
            Fate::Panics => {
                self.process.note("  panics", messages);
                std::panic::resume_unwind(Box::new("a bug of the client"))
            }
            Fate::Passes | Fate::LosesAnswer | Fate::ComesLate(_) | Fate::FailsOne(..) => Ok(fate),
        }
    }

    /// Brings the answer back, if it gets through.
    async fn finish<T>(&self, fate: Fate, answer: T) -> Result<T, QueueError> {
        self.process.pass().await;
        self.process.world.rest(self.process.world.latency()).await;
        self.process.pass().await;
        if self.process.world.lock().is_queue_down || fate == Fate::LosesAnswer {
            self.process.note("  loses an answer", &[]);
            return Err(error(QueueErrorKind::Unreachable));
        }
        Ok(answer)
    }

    /// Makes a request of many entries.
    async fn make(
        &self,
        what: &'static str,
        messages: &[usize],
        mut request: Request,
    ) -> Result<Entries<Option<MessageId>>, QueueError> {
        let fate = self.begin(what, messages).await?;
        let answer = match fate {
            Fate::ComesLate(after) => {
                self.process.note("  is on its way for long", messages);
                let (inner, world) = (self.inner.clone(), Arc::clone(&self.process.world));
                tokio::spawn(async move {
                    world.rest(after).await;
                    drop(request.carry_out(&inner, &world).await);
                });
                std::future::pending().await
            }
            Fate::FailsOne(code, sender_fault) => {
                let at = self.process.world.lock().chance.index(messages.len());
                self.process.note("  fails for", &messages[at..=at]);
                request.remove(at);
                let mut answer = request.carry_out(&self.inner, &self.process.world).await?;
                let code = code.to_owned();
                answer.insert(at, Err(EntryError { code, sender_fault }));
                answer
            }
            _ => request.carry_out(&self.inner, &self.process.world).await?,
        };
        self.finish(fate, answer).await
    }

    /// Waits for a request no longer than a client does, and never for that of a dead process.
    async fn within<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let request = timeout(limit, request);
        match self.process.alive(request).await {
            Ok(answer) => answer,
            Err(_) => Err(error(QueueErrorKind::Unreachable)),
        }
    }

    fn messages_of<'r>(&self, receipts: impl Iterator<Item = &'r Receipt>) -> Vec<usize> {
        let state = self.process.world.lock();
        let message = |receipt: &Receipt| state.truth.of_receipt(&receipt.0);
        receipts
            .map(|receipt| message(receipt).expect("every receipt was handed out"))
            .collect()
    }

    fn originals_of(&self, copies: &[Outgoing]) -> Vec<usize> {
        let state = self.process.world.lock();
        let failures = copies.iter().filter_map(original);
        failures
            .filter_map(|failure| state.truth.message(&failure.message_id))
            .collect()
    }

    /// Brings something that was brought before once more, as SQS may at any time.
    fn add_ghost(&self, max: usize, messages: &mut Vec<Message>) {
        let state = &mut *self.process.world.lock();
        let has_room = messages.len() < max && !state.brought.is_empty();
        if has_room && state.chance.permille(state.weather.ghosts) {
            let at = state.chance.index(state.brought.len());
            let ghost = state.brought[at].clone();
            let number = state.truth.message(&ghost.id.0);
            state
                .truth
                .came_again(number.expect("every message was sent"));
            messages.push(ghost);
        }
    }

    /// Learns what a receive brought, even if nobody else does.
    fn brought(&self, messages: &[Message]) -> Vec<usize> {
        let state = &mut *self.process.world.lock();
        let mut numbers = Vec::with_capacity(messages.len());
        for message in messages {
            let number = state.truth.message(&message.id.0);
            let number = number.expect("every message was sent");
            let (receipt, count) = (&message.receipt.0, message.receive_count);
            state.truth.received(number, receipt, count);
            state.brought.push(message.clone());
            numbers.push(number);
        }
        numbers
    }

    /// Tells the truth until when the process knows messages to be its own.
    fn leased(&self, messages: &[usize], until: Instant) {
        let state = &mut *self.process.world.lock();
        for message in messages {
            state.truth.leased(self.process.number, *message, until);
        }
    }

    async fn receive_now(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let asked_at = Instant::now();
        let fate = self.begin("receive", &[]).await?;
        let mut messages = self.inner.receive(max, wait).await?;
        if !self.inner.is_fifo() {
            self.add_ghost(max, &mut messages);
        }
        let numbers = self.brought(&messages);
        if !numbers.is_empty() {
            self.process.note("  is brought", &numbers);
        }
        let messages = self.finish(fate, messages).await?;
        self.leased(&numbers, asked_at + self.process.world.plan.visibility);
        self.process.note("  has", &numbers);
        Ok(messages)
    }
}

#[async_trait]
impl Queue for ShakyQueue {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let _asking = Asking::new(&self.process, max);
        let limit = wait + ANSWER_MAX;
        self.within(limit, self.receive_now(max, wait)).await
    }

    async fn send(&self, copies: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        let messages = self.originals_of(copies);
        let request = self.make("bury", &messages, Request::Send(copies.to_vec()));
        let answer = self.within(ANSWER_MAX, request).await?;
        let state = &mut *self.process.world.lock();
        for (message, _) in messages
            .iter()
            .zip(&answer)
            .filter(|(_, entry)| entry.is_ok())
        {
            state.truth.copy_confirmed(*message);
        }
        let id = |id: Option<MessageId>| id.expect("a copy that was sent has an id");
        Ok(answer.into_iter().map(|entry| entry.map(id)).collect())
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        let messages = self.messages_of(receipts.iter());
        let request = self.make("delete", &messages, Request::Delete(receipts.to_vec()));
        Ok(units(self.within(ANSWER_MAX, request).await?))
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        let begun = Instant::now();
        let messages = self.messages_of(changes.iter().map(|(receipt, _)| receipt));
        let what = match self.role {
            Role::Lease => "heartbeat",
            _ => "show",
        };
        let request = self.make(what, &messages, Request::Show(changes.to_vec()));
        let answer = units(self.within(ANSWER_MAX, request).await?);
        if self.role == Role::Lease {
            for (at, (_, after)) in changes.iter().enumerate() {
                if answer[at].is_ok() {
                    self.leased(&messages[at..=at], begun + *after);
                }
            }
        }
        Ok(answer)
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        self.inner.attributes().await
    }
}

impl<'p> Asking<'p> {
    fn new(process: &'p Process, count: usize) -> Self {
        process.asks(count);
        process.check_permits();
        Self(process, count)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asked(self.1);
    }
}

/// Returns why a copy is dead.
pub(crate) fn original(copy: &Outgoing) -> Option<Failure> {
    Failure::unfold(&mut copy.attributes.clone())
}

fn units(entries: Entries<Option<MessageId>>) -> Entries<()> {
    entries.into_iter().map(|entry| entry.map(drop)).collect()
}

fn error(kind: QueueErrorKind) -> QueueError {
    QueueError {
        operation: "Shaken",
        kind,
        code: None,
        source: None,
    }
}
