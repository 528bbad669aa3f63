//! Move tasks between queues, and the clock that drives them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cell::Cell;
use super::sqs::{Account, Sqs};
use crate::error::{Error, ErrorKind};
use crate::queue::MoveTask;

/// What a move task is started with.
#[derive(Debug)]
pub(crate) struct MoveWish<'a> {
    pub(crate) source_arn: &'a str,
    pub(crate) destination_arn: Option<&'a str>,
    /// Messages a second.
    pub(crate) rate: Option<u32>,
}

/// The tasks of tokio that drive move tasks; they end with the service.
#[derive(Debug, Default)]
pub(super) struct Movers(Mutex<JoinSet<()>>);

/// What the handle of a move task says, in base64 as in SQS.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskHandle {
    task_id: Uuid,
    source_arn: String,
}

impl Sqs {
    /// Starts a move task and returns its handle.
    pub(crate) fn start_move(&self, wish: &MoveWish<'_>) -> Result<String, Error> {
        let registry = self.account.registry();
        let source = registry.find_arn(wish.source_arn, "SourceArn")?;
        if registry.sources(&source.name).next().is_none() {
            return Err(Error::invalid(
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        if let Some(arn) = wish.destination_arn {
            let destination = registry.find_arn(arn, "DestinationArn")?;
            check_pair(source, destination)?;
        }
        let destination = wish.destination_arn.map(Into::into);
        let task_id = registry.run(source, self.clock(), |queue, now| {
            queue.start_move(now, destination, wish.rate)
        })?;
        self.account
            .movers
            .drive(Arc::downgrade(&self.account), Arc::downgrade(source));
        Ok(write_handle(&TaskHandle {
            task_id,
            source_arn: wish.source_arn.to_owned(),
        }))
    }

    /// Cancels a move task and returns how many messages it moved.
    pub(crate) fn cancel_move(&self, handle: &str) -> Result<usize, Error> {
        let handle = read_handle(handle)?;
        let registry = self.account.registry();
        let source = registry.find_arn(&handle.source_arn, "SourceArn")?;
        registry.run(source, self.clock(), |queue, _| {
            queue.cancel_move(handle.task_id)
        })
    }

    /// Returns the move tasks of a queue with the handles they have, the newest first.
    pub(crate) fn moves(&self, source_arn: &str) -> Result<Vec<(String, MoveTask)>, Error> {
        let registry = self.account.registry();
        let source = registry.find_arn(source_arn, "SourceArn")?;
        let tasks: Vec<MoveTask> = registry.run(source, self.clock(), |queue, _| {
            queue.move_tasks().cloned().collect()
        });
        let with_handle = |task: MoveTask| {
            let handle = write_handle(&TaskHandle {
                task_id: task.id,
                source_arn: source_arn.to_owned(),
            });
            (handle, task)
        };
        Ok(tasks.into_iter().map(with_handle).collect())
    }
}

impl Movers {
    /// Lets a queue take the steps of its move tasks when they are due, until none is left.
    fn drive(&self, account: Weak<Account>, source: Weak<Cell>) {
        let mut movers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are done have nothing to say.
        while movers.try_join_next().is_some() {}
        movers.spawn(async move {
            while let Some(due) = next_step(&account, &source) {
                tokio::time::sleep_until(due).await;
            }
        });
    }
}

/// Takes the steps that are due and returns when the next one is. What drives a service holds
/// neither it nor a queue while it waits, so both can end.
fn next_step(account: &Weak<Account>, source: &Weak<Cell>) -> Option<tokio::time::Instant> {
    let (account, source) = (account.upgrade()?, source.upgrade()?);
    let registry = account.registry();
    let due = registry.run(&source, &account.clock, |queue, _| queue.next_move())?;
    Some(account.clock.instant(due))
}

fn check_pair(source: &Cell, destination: &Cell) -> Result<(), Error> {
    if source.name == destination.name {
        return Err(Error::invalid(
            "Source queue arn and destination queue arn cannot be the same.",
        ));
    }
    if source.name.is_fifo() != destination.name.is_fifo() {
        return Err(Error::invalid(
            "The source queue and destination queue must be of the same queue type.",
        ));
    }
    Ok(())
}

/// Returns the ARN of the queue out of which the task of a handle moves, if it is a handle.
pub(crate) fn source_of(handle: &str) -> Option<String> {
    read_handle(handle).ok().map(|handle| handle.source_arn)
}

fn write_handle(handle: &TaskHandle) -> String {
    let text = serde_json::to_vec(handle).expect("two strings are JSON");
    STANDARD.encode(text)
}

fn read_handle(handle: &str) -> Result<TaskHandle, Error> {
    if handle.is_empty() {
        return Err(Error::missing("TaskHandle"));
    }
    let text = STANDARD.decode(handle).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidParameterValue,
                "Value for parameter TaskHandle is invalid.",
            )
        })
}
