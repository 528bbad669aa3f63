//! Stores to test: an empty one in memory, and one on a database of its own.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fleet::message::{EventKey, Message, MessageId, NewEvent, Outgoing, Receipt};
use fleet::queue::{Entries, EntryError, Queue, QueueAttributes, QueueError, QueueErrorKind};
use fleet::store::{
    MemoryStore, MigrateOptions, Migrations, Outbox, PostgresOptions, PostgresStore, Store,
    Subscription, Transaction, migrate,
};
use fleet::testing::database::TestDatabase;
use jiff::Timestamp;

/// A store and what keeps it alive.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outbox: Arc<dyn Outbox>,
    kind: Kind,
}

enum Kind {
    Memory(MemoryStore),
    /// The database lives as long as its store.
    Postgres(
        PostgresStore,
        #[expect(dead_code, reason = "dropped last")] TestDatabase,
    ),
}

impl Bench {
    pub(crate) fn memory() -> Self {
        let store = MemoryStore::new();
        store.subscribe(&subscriptions());
        Self {
            store: Arc::new(store.clone()),
            outbox: Arc::new(store.clone()),
            kind: Kind::Memory(store),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let database = database().await;
        let store = connect(&database);
        Self {
            store: Arc::new(store.clone()),
            outbox: Arc::new(store.clone()),
            kind: Kind::Postgres(store, database),
        }
    }

    pub(crate) async fn begin(&self) -> Box<dyn Transaction> {
        match &self.kind {
            Kind::Memory(store) => store.begin().unwrap(),
            Kind::Postgres(store, _) => Box::new(store.begin().await.unwrap()),
        }
    }

    /// Publishes events in one transaction and commits it.
    pub(crate) async fn publish(&self, events: &[NewEvent]) {
        let transaction = self.begin().await;
        for event in events {
            transaction.publish(event).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
}

/// `a.b` goes to one and two, `only.one` to one.
pub(crate) fn subscriptions() -> Vec<Subscription> {
    [("a.b", "one"), ("a.b", "two"), ("only.one", "one")]
        .map(|(event_type, consumer)| Subscription {
            event_type: event_type.to_owned(),
            consumer: consumer.to_owned(),
        })
        .to_vec()
}

/// A migrated database of its own.
pub(crate) async fn database() -> TestDatabase {
    TestDatabase::migrated("store", |url| async move {
        let options = MigrateOptions::default();
        migrate(&url, &options, &[Migrations::RUNTIME], &subscriptions()).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })
    .await
    .unwrap()
}

pub(crate) fn connect(database: &TestDatabase) -> PostgresStore {
    connect_with(database, PostgresOptions::default())
}

pub(crate) fn connect_with(database: &TestDatabase, options: PostgresOptions) -> PostgresStore {
    PostgresStore::connect(database.url(), options).unwrap()
}

pub(crate) fn key(id: &str) -> EventKey {
    EventKey::new("/test", id)
}

pub(crate) fn event(event_type: &str, id: &str) -> NewEvent {
    NewEvent {
        key: key(id),
        event_type: event_type.to_owned(),
        time: Timestamp::from_second(1_700_000_000).unwrap(),
        data: r#"{"n":1.50}"#.to_owned(),
        ordering_key: None,
        trace: None,
    }
}

/// Prints the chain of an error.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A queue that keeps what it is sent, and refuses what it is told to.
#[derive(Debug)]
pub(crate) struct FakeQueue {
    name: String,
    sent: Mutex<Vec<Outgoing>>,
    trouble: Mutex<Trouble>,
    latency: Duration,
    changed: tokio::sync::watch::Sender<u64>,
}

/// How a queue answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Every request fails as a whole.
    Request(QueueErrorKind, &'static str),
    /// Entries whose body contains the text fail.
    Entry(&'static str, &'static str),
    /// Requests with an entry whose body contains the text fail as a whole.
    RequestWith(&'static str, &'static str),
}

impl FakeQueue {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        Self::with_latency(name, Duration::ZERO)
    }

    pub(crate) fn with_latency(name: &str, latency: Duration) -> Arc<Self> {
        Arc::new(Self {
            latency,
            name: name.to_owned(),
            sent: Mutex::default(),
            trouble: Mutex::new(Trouble::None),
            changed: tokio::sync::watch::Sender::new(0),
        })
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    pub(crate) fn sent(&self) -> Vec<Outgoing> {
        self.sent.lock().unwrap().clone()
    }

    /// Returns the ids of the events in the order in which they were sent.
    pub(crate) fn sent_ids(&self) -> Vec<String> {
        let id = |message: &Outgoing| {
            let body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            body["id"].as_str().unwrap().to_owned()
        };
        self.sent().iter().map(id).collect()
    }

    /// Waits until something was sent, refused or failed, so often in all.
    pub(crate) async fn requests(&self, count: u64) {
        let mut changed = self.changed.subscribe();
        let waiting = changed.wait_for(|seen| *seen >= count);
        let limit = Duration::from_secs(60);
        drop(
            tokio::time::timeout(limit, waiting)
                .await
                .expect("the queue is asked")
                .unwrap(),
        );
    }

    /// Waits until so many messages were sent.
    pub(crate) async fn messages(&self, count: usize) {
        let mut changed = self.changed.subscribe();
        let enough = changed.wait_for(|_| self.sent.lock().unwrap().len() >= count);
        let limit = Duration::from_secs(60);
        drop(
            tokio::time::timeout(limit, enough)
                .await
                .expect("messages arrive")
                .unwrap(),
        );
    }

    fn answer(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        let failed = |kind, code: &str| QueueError {
            operation: "SendMessageBatch",
            kind,
            code: Some(code.to_owned()),
            source: None,
        };
        let trouble = *self.trouble.lock().unwrap();
        if let Trouble::Request(kind, code) = trouble {
            return Err(failed(kind, code));
        }
        if let Trouble::RequestWith(text, code) = trouble
            && messages.iter().any(|message| message.body.contains(text))
        {
            return Err(failed(QueueErrorKind::Refused, code));
        }
        let entry = |message: &Outgoing| match trouble {
            Trouble::Entry(text, code) if message.body.contains(text) => Err(EntryError {
                code: code.to_owned(),
                sender_fault: true,
            }),
            _ => {
                self.sent.lock().unwrap().push(message.clone());
                Ok(MessageId(String::new()))
            }
        };
        Ok(messages.iter().map(entry).collect())
    }
}

#[async_trait]
impl Queue for FakeQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn url(&self) -> &str {
        &self.name
    }

    async fn receive(&self, _: usize, _: Duration) -> Result<Vec<Message>, QueueError> {
        unreachable!("a relay does not receive")
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Entries<MessageId>, QueueError> {
        assert!((1..=10).contains(&messages.len()));
        // Lets others run in between, as a network does.
        tokio::task::yield_now().await;
        if !self.latency.is_zero() {
            // A network that takes its time.
            let answer = std::future::pending::<()>();
            let _ = tokio::time::timeout(self.latency, answer).await;
        }
        let answer = self.answer(messages);
        self.changed.send_modify(|count| *count += 1);
        answer
    }

    async fn delete(&self, _: &[Receipt]) -> Result<Entries<()>, QueueError> {
        unreachable!("a relay does not delete")
    }

    async fn change_visibility(
        &self,
        _: &[(Receipt, Duration)],
    ) -> Result<Entries<()>, QueueError> {
        unreachable!("a relay does not change visibility")
    }

    async fn attributes(&self) -> Result<QueueAttributes, QueueError> {
        Ok(QueueAttributes::default())
    }
}
