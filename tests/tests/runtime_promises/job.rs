//! What is sent, and the handlers that do it.

use std::sync::Arc;

use fleet::{
    BatchError, BatchHandler, Consumer, Context, Done, Envelope, Event, EventKey, Handler,
    HandlerError, NewEvent, Tx,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

pub(crate) const INSERT: &str = "insert into effects (event) values ($1)";

/// What a handler is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    /// Writes its effect.
    Keep,
    /// Writes its effect and publishes an event.
    Publish,
    /// Writes its effect and sleeps in the database for a minute.
    Hang,
    /// Breaks a constraint, so that a retry may help.
    Violate,
    /// Writes what Postgres can never store.
    Unstorable,
    /// Writes its effect and keeps its connection for a while.
    Dawdle,
    /// Waits until the keeper's gate lets it go on.
    Wait,
    /// Says that no retry can help.
    Refuse,
}

impl Event for Job {
    const TYPE: &'static str = "job";
}

/// Writes one row an event: a second one would show.
#[derive(Clone)]
pub(crate) struct Keeper {
    /// How many times it has begun.
    pub(crate) begun: watch::Sender<usize>,
    /// Lets jobs go on that wait.
    pub(crate) gate: Arc<Semaphore>,
}

/// The same in batches; it refuses nothing.
pub(crate) struct KeepAll;

impl Default for Keeper {
    fn default() -> Self {
        Self {
            begun: watch::Sender::new(0),
            gate: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Handler for Keeper {
    type Event = Job;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        self.begun.send_modify(|begun| *begun += 1);
        match job.data {
            Job::Wait => self.gate.acquire().await.unwrap().forget(),
            Job::Refuse => return Err(HandlerError::permanent("refused")),
            _ => {}
        }
        let tx = cx.begin().await?;
        tx.execute(INSERT, &[&job.key.id]).await?;
        match job.data {
            Job::Keep | Job::Wait | Job::Refuse => {}
            Job::Publish => {
                let key = EventKey::new("/test/published", &job.key.id);
                let event = NewEvent::new(key, &Job::Keep).map_err(|error| {
                    HandlerError::permanent("no JSON").with_detail(error.to_string())
                })?;
                tx.publish(&event).await?;
            }
            Job::Hang => drop(tx.query("select pg_sleep(60)", &[]).await?),
            Job::Dawdle => drop(tx.query("select pg_sleep(0.1)", &[]).await?),
            Job::Violate => drop(tx.execute("insert into single values (1)", &[]).await?),
            Job::Unstorable => drop(tx.query(r#"select '"\u0000"'::jsonb"#, &[]).await?),
        }
        Ok(tx.finish())
    }
}

impl BatchHandler for KeepAll {
    type Event = Job;

    async fn handle(&self, jobs: &[Envelope<Job>], tx: &mut Tx<'_>) -> Result<(), BatchError> {
        for job in jobs {
            tx.execute(INSERT, &[&job.key.id]).await?;
            if matches!(job.data, Job::Violate) {
                tx.execute("insert into single values (1)", &[]).await?;
            }
        }
        Ok(())
    }
}

pub(crate) fn numbered(job: &Job, count: usize) -> Vec<(String, Job)> {
    (0..count).map(|n| (n.to_string(), job.clone())).collect()
}

pub(crate) fn jobs() -> Consumer {
    Consumer::new("jobs").handler(Keeper::default())
}
