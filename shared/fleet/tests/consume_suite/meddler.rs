use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{Message, MessageId, Outgoing, Receipt};
use fleet::queue::{Entries, EntryError, Queue, QueueAttributes, QueueError, QueueErrorKind};
use fleet::testing::queue::LocalQueue;
use tokio::sync::watch;
use tokio::time::timeout;

/// A view of a queue that remembers what was asked of it, and fails on demand.
#[derive(Clone, Debug)]
pub(crate) struct Meddler {
    inner: LocalQueue,
    shared: Arc<Shared>,
}

struct Shared {
    calls: watch::Sender<Vec<Call>>,
    received: watch::Sender<Vec<Message>>,
    rule: Mutex<Rule>,
}

type Rule = Box<dyn FnMut(&Call) -> Fate + Send>;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Receive(usize),
    Send(usize),
    Delete(usize),
    Show(Vec<Duration>),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passes,
    /// It fails as a whole, without an effect.
    Fails(QueueErrorKind),
    /// Its first entry fails with a code, maybe by fault of the sender.
    FailsOne(&'static str, bool),
    /// It has its effect, and the answer is lost.
    LosesAnswer,
    /// It arrives and is answered so late.
    Takes(Duration),
    /// It never answers.
    Hangs,
    Panics,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Meddler {
    pub(crate) fn new(inner: &LocalQueue) -> Self {
        Self {
            inner: inner.clone(),
            shared: Arc::new(Shared {
                calls: watch::Sender::default(),
                received: watch::Sender::default(),
                rule: Mutex::new(Box::new(|_| Fate::Passes)),
            }),
        }
    }

    /// Decides over every request from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Call) -> Fate + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Returns every message that a receive brought, in order.
    pub(crate) fn received(&self) -> Vec<Message> {
        self.shared.received.borrow().clone()
    }

    /// Waits until so many messages were received.
    pub(crate) async fn has_received(&self, count: usize) -> Vec<Message> {
        let mut received = self.shared.received.subscribe();
        let enough = received.wait_for(|messages| messages.len() >= count);
        enough.await.unwrap().clone()
    }

    /// Waits until so many requests were made.
    pub(crate) async fn was_asked(&self, count: usize, is_meant: fn(&Call) -> bool) {
        let mut calls = self.shared.calls.subscribe();
        let is_enough = |calls: &Vec<Call>| calls.iter().filter(|c| is_meant(c)).count() >= count;
        calls.wait_for(is_enough).await.unwrap();
    }

    async fn begin(&self, call: Call) -> Result<Fate, QueueError> {
        let fate = (self.shared.rule.lock().unwrap())(&call);
        self.shared.calls.send_modify(|calls| calls.push(call));
        match fate {
            Fate::Fails(kind) => Err(error(kind)),
            Fate::Takes(time) => {
                let _ = timeout(time, std::future::pending::<()>()).await;
                Ok(fate)
            }
            Fate::Hangs => std::future::pending().await,
            Fate::Panics => panic!("a bug of the client"),
            Fate::Passes | Fate::FailsOne(..) | Fate::LosesAnswer => Ok(fate),
        }
    }
}

fn error(kind: QueueErrorKind) -> QueueError {
    QueueError {
        operation: "Meddled",
        kind,
        code: None,
        source: None,
    }
}

/// The entries that a request of this fate is made with: all, or all but the first.
fn reaching<T>(fate: Fate, entries: &[T]) -> &[T] {
    match fate {
        Fate::FailsOne(..) => &entries[1..],
        _ => entries,
    }
}

fn answered<T>(fate: Fate, answer: Entries<T>) -> Result<Entries<T>, QueueError> {
    match fate {
        Fate::LosesAnswer => Err(error(QueueErrorKind::Unreachable)),
        Fate::FailsOne(code, sender_fault) => {
            let failed = EntryError {
                code: code.to_owned(),
                sender_fault,
            };
            Ok(std::iter::once(Err(failed)).chain(answer).collect())
        }
        _ => Ok(answer),
    }
}

#[async_trait]
impl Queue for Meddler {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Message>, QueueError> {
        self.begin(Call::Receive(max)).await?;
        let messages = self.inner.receive(max, wait).await?;
        self.shared
            .received
            .send_modify(|received| received.extend(messages.iter().cloned()));
        Ok(messages)
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        let fate = self.begin(Call::Send(messages.len())).await?;
        let reaching = reaching(fate, messages);
        let answer = match reaching.is_empty() {
            true => Vec::new(),
            false => self.inner.send(reaching).await?,
        };
        answered(fate, answer)
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<Entries<()>, QueueError> {
        let fate = self.begin(Call::Delete(receipts.len())).await?;
        let reaching = reaching(fate, receipts);
        let answer = match reaching.is_empty() {
            true => Vec::new(),
            false => self.inner.delete(reaching).await?,
        };
        answered(fate, answer)
    }

    async fn change_visibility(
        &self,
        changes: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        let times = changes.iter().map(|(_, after)| *after).collect();
        let fate = self.begin(Call::Show(times)).await?;
        let reaching = reaching(fate, changes);
        let answer = match reaching.is_empty() {
            true => Vec::new(),
            false => self.inner.change_visibility(reaching).await?,
        };
        answered(fate, answer)
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        self.inner.attributes().await
    }
}
