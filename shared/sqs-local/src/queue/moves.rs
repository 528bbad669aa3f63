//! Messages that move between queues, and the tasks that take them out of dead-letter queues.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::RngExt as _;
use uuid::{Builder, Uuid};

use super::slab::Slot;
use super::state::Queue;
use crate::error::{Error, ErrorKind};
use crate::limits::{MOVE_TASKS_MAX, MOVES_PER_SECOND_MAX, Millis, SECOND};
use crate::message::Content;

/// A message on its way to another queue.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) target: String,
    pub(crate) content: Content,
    pub(crate) why: Why,
}

/// Why a message moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its receives are used up, and it goes to the dead-letter queue.
    Dead,
    /// A move task takes it out of a dead-letter queue.
    Task,
}

/// Why a task fails whose next message was sent straight to the dead-letter queue.
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";
/// Why a task fails whose next message has nowhere to go.
const NO_DESTINATION: &str = "AWS.SimpleQueueService.NonExistentQueue";

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoveStatus {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

/// A task that moves messages out of the queue, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct MoveTask {
    pub(crate) id: Uuid,
    /// The ARN of where all go; without it each goes back to where it comes from.
    pub(crate) destination: Option<Arc<str>>,
    /// Messages a second, if somebody said so.
    pub(crate) rate: Option<u32>,
    pub(crate) started: Millis,
    /// How many messages could be received at its start. So many it moves, and no more.
    pub(crate) to_move: usize,
    pub(crate) moved: usize,
    pub(crate) status: MoveStatus,
    pub(crate) failure: Option<&'static str>,
}

impl MoveTask {
    fn is_active(&self) -> bool {
        matches!(self.status, MoveStatus::Running | MoveStatus::Cancelling)
    }

    /// Returns when its next step is due.
    fn due(&self) -> Option<Millis> {
        let rate = self.rate.unwrap_or(MOVES_PER_SECOND_MAX.unsigned_abs());
        let moved = Millis::try_from(self.moved).unwrap_or(Millis::MAX);
        self.is_active()
            .then(|| self.started + moved.saturating_mul(SECOND) / Millis::from(rate))
    }
}

/// The tasks of a queue, the newest first. Only that one can be active.
#[derive(Debug, Default)]
pub(crate) struct Moves(VecDeque<MoveTask>);

impl Queue {
    /// Starts a task; its first message is due at once.
    ///
    /// # Errors
    /// `InvalidParameterValue` while another one is active.
    pub(crate) fn start_move(
        &mut self,
        now: Millis,
        destination: Option<Arc<str>>,
        rate: Option<u32>,
    ) -> Result<Uuid, Error> {
        if self.moves.0.front().is_some_and(MoveTask::is_active) {
            return Err(Error::invalid(
                "There is already a task running. Only one active task is allowed for a source \
                 queue arn at a given time.",
            ));
        }
        let id = Builder::from_random_bytes(self.rng.random()).into_uuid();
        self.moves.0.push_front(MoveTask {
            id,
            destination,
            rate,
            started: now,
            to_move: self.visible(),
            moved: 0,
            status: MoveStatus::Running,
            failure: None,
        });
        let tasks_max = usize::try_from(MOVE_TASKS_MAX).unwrap_or(usize::MAX);
        self.moves.0.truncate(tasks_max);
        Ok(id)
    }

    /// Lets a task end before its next message, and returns how many it moved.
    ///
    /// # Errors
    /// `ResourceNotFoundException` if there is none of that id; `UnsupportedOperation` if it does
    /// not run.
    pub(crate) fn cancel_move(&mut self, id: Uuid) -> Result<usize, Error> {
        let Some(task) = self.moves.0.iter_mut().find(|task| task.id == id) else {
            let message = "Task does not exist.";
            return Err(Error::new(ErrorKind::ResourceNotFound, message));
        };
        if task.status != MoveStatus::Running {
            return Err(Error::new(
                ErrorKind::UnsupportedOperation,
                "Only a task with the status RUNNING can be cancelled.",
            ));
        }
        task.status = MoveStatus::Cancelling;
        Ok(task.moved)
    }

    /// Returns the tasks, the newest first.
    pub(crate) fn move_tasks(&self) -> impl Iterator<Item = &MoveTask> {
        self.moves.0.iter()
    }

    /// Returns when the next step of a task is due.
    pub(crate) fn next_move(&self) -> Option<Millis> {
        self.moves.0.front().and_then(MoveTask::due)
    }

    /// Takes every step that is due; `exists` tells whether there is a queue of a name.
    pub(crate) fn move_due(&mut self, now: Millis, exists: impl Fn(&str) -> bool) {
        while let Some(mut task) = self.moves.0.pop_front() {
            let is_due = task.due().is_some_and(|due| due <= now);
            if is_due {
                self.step(now, &mut task, &exists);
            }
            self.moves.0.push_front(task);
            if !is_due {
                return;
            }
        }
    }

    fn step(&mut self, now: Millis, task: &mut MoveTask, exists: impl Fn(&str) -> bool) {
        if task.status == MoveStatus::Cancelling {
            task.status = MoveStatus::Cancelled;
            return;
        }
        let left = task.moved < task.to_move;
        let Some(slot) = left.then(|| self.take_off(now, now, &mut None)).flatten() else {
            task.status = MoveStatus::Completed;
            return;
        };
        match self.destination(task, slot) {
            Ok(target) if exists(&target) => {
                self.depart(slot, target);
                task.moved += 1;
                if task.moved == task.to_move {
                    task.status = MoveStatus::Completed;
                }
            }
            refusal => {
                task.status = MoveStatus::Failed;
                task.failure = Some(refusal.err().unwrap_or(NO_DESTINATION));
                let seq = self.messages.get_mut(slot).seq;
                self.hidden.remove(&(now, seq, slot));
                self.reveal(slot);
            }
        }
    }

    /// Returns the name of the queue that a message goes to.
    fn destination(&mut self, task: &MoveTask, slot: Slot) -> Result<String, &'static str> {
        let content = &self.messages.get_mut(slot).content;
        let source = content.extras().moved_from.as_ref();
        let arn = task.destination.as_ref().or(source).ok_or(NO_SOURCE)?;
        Ok(arn.rsplit(':').next().unwrap_or_default().to_owned())
    }

    /// Sends a message on, as a new one: with another id, and never received.
    fn depart(&mut self, slot: Slot, target: String) {
        let message = self.remove(slot);
        let mut content = Arc::unwrap_or_clone(message.content);
        content.id = self.new_id();
        if let Some(extras) = content.extras.as_deref_mut() {
            extras.moved_from = None;
            extras.received_before = 0;
            extras.first_received = None;
        }
        self.moved.push_back(Moved {
            target,
            content,
            why: Why::Task,
        });
    }
}
