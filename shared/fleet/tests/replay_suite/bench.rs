//! A dead-letter queue, its source, and a journal.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use fleet::dead_letter::replay::{Order, Report, run};
use fleet::dead_letter::{Destination, Filter, Origin, copy};
use fleet::message::{
    Attributes, EventKey, Failure, FailureClass, Message, MessageId, Outgoing, Receipt,
};
use fleet::queue::{ClientOptions, Queue as _, Sqs, SqsQueue, split};
use fleet::service::retry::Jitter;
use fleet::store::{
    MigrateOptions, Migrations, NewReplay, PostgresOptions, PostgresStore, Replay, ReplayKind,
    migrate,
};
use fleet::testing::database::TestDatabase;
use jiff::Timestamp;
use sqs_local::http::Server;
use tokio_util::sync::CancellationToken;

/// How long a message is hidden in tests where somebody loses it.
pub(crate) const SHORT: Duration = Duration::from_secs(4);

/// How long it is hidden where nobody does.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// One dead-letter queue and what belongs to it.
pub(crate) struct Bench {
    pub(crate) sqs: sqs_local::Sqs,
    pub(crate) store: PostgresStore,
    pub(crate) queue: SqsQueue,
    pub(crate) dead: SqsQueue,
    account: Sqs,
    dead_url: String,
    lease: Duration,
    _server: Server,
    _database: TestDatabase,
}

impl Bench {
    pub(crate) async fn standard(lease: Duration) -> Self {
        Self::of("work", "work-dlq", lease).await
    }

    pub(crate) async fn fifo(lease: Duration) -> Self {
        Self::of("work.fifo", "work-dlq.fifo", lease).await
    }

    async fn of(name: &str, dead_name: &str, lease: Duration) -> Self {
        let database = database().await;
        let store = PostgresStore::connect(database.url(), PostgresOptions::default()).unwrap();
        let sqs = sqs_local::Sqs::default();
        let server = Server::bind("127.0.0.1:0", sqs.clone()).await.unwrap();
        let account = Sqs::local(&server.url());
        let kind: &[(&str, String)] = match name.ends_with(".fifo") {
            true => &[("FifoQueue", "true".to_owned())],
            false => &[],
        };
        let url = account.create(name, kind).await.unwrap();
        let dead_url = account.create(dead_name, kind).await.unwrap();
        Self {
            queue: account.queue(&url, ClientOptions::calling()),
            dead: account.queue(&dead_url, ClientOptions::calling()),
            store,
            sqs,
            account,
            dead_url,
            lease,
            _server: server,
            _database: database,
        }
    }

    /// Returns a handle of the dead-letter queue whose receives hide messages.
    pub(crate) fn source(&self) -> SqsQueue {
        let options = ClientOptions::receiving(Duration::from_secs(1));
        self.account
            .queue(&self.dead_url, options)
            .hiding_for(self.lease)
    }

    /// Buries messages.
    pub(crate) async fn bury(&self, letters: &[Letter]) {
        let copies: Vec<_> = letters.iter().map(|one| one.copy(self.is_fifo())).collect();
        for batch in split(&copies) {
            let sent = self.dead.send(&copies[batch]).await.unwrap();
            assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        }
    }

    /// Begins a replay in the journal.
    pub(crate) async fn begin(&self) -> i64 {
        let new = NewReplay {
            kind: ReplayKind::Replay,
            queue: self.dead.name().to_owned(),
            destination: self.queue.name().to_owned(),
            consumer: Some("work".to_owned()),
            filter: "{}".to_owned(),
            rate: None,
            who: "a test".to_owned(),
            cut_at: Timestamp::now(),
            messages_max: None,
        };
        self.store.begin_replay(&new).await.unwrap()
    }

    /// Says what is replayed: everything that is dead by now.
    pub(crate) fn order<'a>(&'a self, id: i64, source: &'a SqsQueue) -> Order<'a> {
        Order {
            id,
            journal: &self.store,
            source,
            origin: self.origin(),
            lease: self.lease,
            aside: self.lease,
            destination: &self.queue,
            to: Destination::Fleet,
            edited: None,
            matcher: Filter::default().matcher().unwrap(),
            cut: Timestamp::now(),
            oldest: None,
            max: None,
            rate: None,
            expected: 0,
            patience: Duration::ZERO,
            jitter: Jitter::from_entropy(),
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin {
            consumer: Some("work".to_owned()),
            queue: self.queue.name().to_owned(),
        }
    }

    /// Replays everything, and returns how that went.
    pub(crate) async fn replay(&self) -> (i64, Report) {
        let (id, source) = (self.begin().await, self.source());
        let report = follow(&self.order(id, &source)).await;
        (id, report)
    }

    /// Reads what the journal says of a replay.
    pub(crate) async fn journal(&self, id: i64) -> Replay {
        self.store.replay(id).await.unwrap().unwrap()
    }

    /// Counts what the dead-letter queue holds.
    pub(crate) async fn left(&self) -> u64 {
        let attributes = self.dead.attributes().await.unwrap();
        attributes.visible + attributes.in_flight
    }

    /// Receives everything that has arrived, and deletes it.
    pub(crate) async fn arrived(&self) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let messages = self.queue.receive(10, Duration::ZERO).await.unwrap();
            if messages.is_empty() {
                return all;
            }
            let receipts: Vec<Receipt> = messages.iter().map(|one| one.receipt.clone()).collect();
            self.queue.delete(&receipts).await.unwrap();
            all.extend(messages);
        }
    }

    /// Lets the destination take messages of so many bytes.
    pub(crate) async fn limit_size(&self, bytes: &str) {
        let set = sqs_local::SetQueueAttributes {
            queue_url: self.queue.url().to_owned(),
            attributes: [("MaximumMessageSize".to_owned(), bytes.to_owned())].into(),
        };
        self.sqs.call(set).await.unwrap();
    }

    /// Sets a plan of faults.
    pub(crate) fn faults(&self, plan: &str) {
        self.sqs.set_faults(plan.parse().unwrap());
    }

    fn is_fifo(&self) -> bool {
        self.queue.is_fifo()
    }
}

/// Runs a replay to its end, with nobody who looks on.
pub(crate) async fn follow(order: &Order<'_>) -> Report {
    run(order, &CancellationToken::new(), &|_| {}).await
}

/// Counts messages by event.
pub(crate) fn by_event(messages: &[Message]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in messages {
        let failure = message.failure.as_deref().unwrap();
        *counts.entry(failure.key.id.clone()).or_default() += 1;
    }
    counts
}

/// Names the events of so many letters.
pub(crate) fn events(letters: &[Letter]) -> BTreeSet<String> {
    letters.iter().map(|letter| letter.event.clone()).collect()
}

/// A message that died.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) event: String,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) group: Option<String>,
    pub(crate) reason: String,
    pub(crate) first_sent_at: Timestamp,
}

impl Letter {
    pub(crate) fn new(event: &str) -> Self {
        Self {
            event: event.to_owned(),
            body: format!(r#"{{"n":"{event}"}}"#),
            attributes: Attributes::new(),
            group: None,
            reason: "no customer".to_owned(),
            first_sent_at: Timestamp::now(),
        }
    }

    pub(crate) fn in_group(event: &str, group: &str) -> Self {
        Self {
            group: Some(group.to_owned()),
            ..Self::new(event)
        }
    }

    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(|n| Self::new(&n.to_string())).collect()
    }

    /// Makes the copy that the fleet sends to the dead-letter queue.
    fn copy(&self, fifo: bool) -> Outgoing {
        let id = uuid::Uuid::new_v4().to_string();
        let message = Message {
            id: MessageId(id.clone()),
            receipt: Receipt(String::new()),
            body: self.body.clone(),
            attributes: self.attributes.clone(),
            receive_count: 1,
            sent_at: self.first_sent_at,
            group_id: self.group.clone(),
            trace_header: None,
            failure: None,
        };
        let failure = Failure {
            class: FailureClass::Permanent,
            reason: self.reason.clone(),
            detail: None,
            consumer: "work".to_owned(),
            version: None,
            queue: "work".to_owned(),
            event_type: Some("job".to_owned()),
            key: EventKey::new("/test", &self.event),
            message_id: id,
            attempts: 1,
            receives: 1,
            first_sent_at: self.first_sent_at,
            failed_at: Timestamp::now(),
            replay_no: 0,
            edited: None,
            history: Vec::new(),
            displaced: Vec::new(),
        };
        copy(&message, &failure, fifo).message
    }
}

async fn database() -> TestDatabase {
    TestDatabase::migrated("replays", |url| async move {
        let options = MigrateOptions::default();
        migrate(&url, &options, &[Migrations::RUNTIME], &[]).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    })
    .await
    .unwrap()
}
