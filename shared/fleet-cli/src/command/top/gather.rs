use std::sync::Arc;
use std::time::Duration;

use fleet::queue::Sqs;
use fleet::service::config::{ConsumerConfig, DatabaseConfig};
use fleet::store::{Outbox as _, PostgresStore};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::snapshot::{Part, Records, Snapshot};
use crate::app::App;
use crate::database;
use crate::exit::Exit;
use crate::muster::Muster;
use crate::survey::{QueueState, Surveyor};

/// How long one question may take: a person who waits longer thinks that it hangs.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The most failures that are read: a screen has no more lines.
const FAILURES_MAX: u32 = 50;

/// Asks the queues and the database, each by itself: the one that is slow delays no other.
pub(super) struct Gatherer {
    queues: Vec<QueueReader>,
    database: Option<RecordReader>,
}

/// What was gathered so far.
pub(super) struct Board {
    queues: Vec<(String, String, watch::Receiver<Part<QueueState>>)>,
    database: Option<watch::Receiver<Part<Records>>>,
}

struct QueueReader {
    surveyor: Surveyor,
    part: watch::Sender<Part<QueueState>>,
}

struct RecordReader {
    app: Arc<App>,
    store: PostgresStore,
    consumers: Vec<String>,
    part: watch::Sender<Part<Records>>,
}

impl Gatherer {
    /// Makes one that has asked nothing yet.
    pub(super) async fn new(
        app: &Arc<App>,
        consumers: &[ConsumerConfig],
        database: Option<&DatabaseConfig>,
    ) -> Result<Self, Exit> {
        let sqs = Sqs::connect().await;
        let database = database.map(database::beside_work).transpose()?;
        Ok(Self {
            queues: consumers
                .iter()
                .map(|consumer| QueueReader {
                    surveyor: Surveyor::new(&sqs, consumer),
                    part: watch::Sender::default(),
                })
                .collect(),
            database: database.map(|store| RecordReader {
                app: Arc::clone(app),
                store,
                consumers: consumers.iter().map(|one| one.name.clone()).collect(),
                part: watch::Sender::default(),
            }),
        })
    }

    /// Asks everything once.
    pub(super) async fn once(mut self) -> Snapshot {
        let board = self.board();
        let records = async {
            if let Some(database) = &mut self.database {
                database.read().await;
            }
        };
        tokio::join!(
            join_all(self.queues.iter_mut().map(QueueReader::read)),
            records
        );
        board.snapshot()
    }

    /// Returns where the answers stand.
    pub(super) fn board(&self) -> Board {
        let queues = self.queues.iter().map(|reader| {
            let surveyor = &reader.surveyor;
            let names = (surveyor.consumer().to_owned(), surveyor.queue().to_owned());
            (names.0, names.1, reader.part.subscribe())
        });
        let database = self.database.as_ref();
        Board {
            queues: queues.collect(),
            database: database.map(|reader| reader.part.subscribe()),
        }
    }

    /// Asks again and again, for as long as the returned tasks are kept.
    pub(super) fn start(self, every: Duration, runtime: &tokio::runtime::Handle) -> JoinSet<()> {
        let mut asking = JoinSet::new();
        for mut queue in self.queues {
            let repeat = async move {
                loop {
                    queue.read().await;
                    sleep(every).await;
                }
            };
            asking.spawn_on(repeat, runtime);
        }
        if let Some(mut database) = self.database {
            let repeat = async move {
                loop {
                    database.read().await;
                    sleep(every).await;
                }
            };
            asking.spawn_on(repeat, runtime);
        }
        asking
    }
}

impl Board {
    /// Puts together what is known at this moment.
    pub(super) fn snapshot(&self) -> Snapshot {
        let queues = self.queues.iter().map(|(consumer, queue, part)| {
            (consumer.as_str(), queue.as_str(), part.borrow().clone())
        });
        let database = self.database.as_ref().map(|part| part.borrow().clone());
        Snapshot::of(Timestamp::now(), queues, database)
    }
}

impl QueueReader {
    async fn read(&mut self) {
        // Boxed: it holds a call of the SDK.
        let asked = Box::pin(timeout(ANSWER_MAX, self.surveyor.ask())).await;
        let answer = asked.unwrap_or_else(|_| {
            let queue = self.surveyor.queue();
            Err(format!("queue {queue}: {}", no_answer()))
        });
        self.part
            .send_modify(|part| part.take(answer, Timestamp::now()));
    }
}

impl RecordReader {
    async fn read(&mut self) {
        let asked = timeout(ANSWER_MAX, self.ask()).await;
        let answer = match asked {
            Ok(Ok(records)) => Ok((records, None)),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(no_answer()),
        };
        self.part
            .send_modify(|part| part.take(answer, Timestamp::now()));
    }

    async fn ask(&self) -> anyhow::Result<Records> {
        let checked = database::check_runtime(&self.store, &self.app).await;
        checked.map_err(Exit::into_error)?;
        let names: Vec<_> = self.consumers.iter().map(String::as_str).collect();
        Ok(Records {
            muster: Muster::call(&self.store, &names).await?,
            outbox: self.store.stats().await?,
            failures: self.store.recent_failures(FAILURES_MAX).await?,
        })
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", ANSWER_MAX.as_secs())
}
