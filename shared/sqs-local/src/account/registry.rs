//! The queues by name.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::address;
use super::cell::Cell;
use super::settings::{ACCOUNT, Settings};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::limits::{DELETED_NAME_MS, Millis};
use crate::queue::{Moved, Queue, QueueAttribute, QueueAttributes, QueueName, Tags};

/// The queues of the account.
///
/// **Invariant.** Locks are taken in one order: first the registry, then one queue at a time. So
/// no two operations can wait for each other, and a move between queues is never seen half done
/// by one that creates or deletes a queue.
#[derive(Debug)]
pub(super) struct Registry {
    queues: BTreeMap<QueueName, Arc<Cell>>,
    deleted: BTreeMap<QueueName, Millis>,
    region: String,
    in_flight_max: usize,
    seeds: StdRng,
}

impl Registry {
    pub(super) fn new(settings: &Settings) -> Self {
        let seed = settings.seed.unwrap_or_else(|| rand::rng().random());
        Self {
            queues: BTreeMap::new(),
            deleted: BTreeMap::new(),
            region: settings.region.clone(),
            in_flight_max: settings.in_flight_max,
            seeds: StdRng::seed_from_u64(seed),
        }
    }

    pub(super) fn find(&self, name: &str) -> Result<&Arc<Cell>, Error> {
        self.queues.get(name).ok_or_else(Error::no_such_queue)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.queues.values()
    }

    /// Returns the queues that have this one as their dead-letter queue.
    pub(super) fn sources(&self, name: &QueueName) -> impl Iterator<Item = &Arc<Cell>> {
        let arn = self.arn(name);
        self.cells().filter(move |cell| {
            let redrive = &cell.lock().attributes.redrive;
            redrive
                .as_ref()
                .is_some_and(|policy| policy.target_arn == arn)
        })
    }

    /// Returns the queue of an ARN.
    ///
    /// # Errors
    /// `MissingParameter` for an empty one, `InvalidParameterValue` for what is none, and
    /// `ResourceNotFoundException` for one of a queue that does not exist.
    pub(super) fn find_arn(&self, arn: &str, parameter: &str) -> Result<&Arc<Cell>, Error> {
        let found = self.queues.get(address::read_arn(arn, parameter)?);
        found
            .filter(|cell| self.arn(&cell.name) == arn)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::ResourceNotFound,
                    format!(
                        "The resource that you specified for the {parameter} parameter doesn't \
                         exist."
                    ),
                )
            })
    }

    pub(super) fn arn(&self, name: impl fmt::Display) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", self.region)
    }

    /// Runs an operation on a queue that has caught up with the time, serves those who wait for
    /// what it brought, and moves what has to go to a dead-letter queue.
    pub(super) fn run<R>(
        &self,
        cell: &Cell,
        clock: &Clock,
        operation: impl FnOnce(&mut Queue, Millis) -> R,
    ) -> R {
        let (result, mut moved) = self.run_alone(cell, clock, operation);
        // A dead-letter queue can have one of its own: those who wait there may move messages on.
        // It ends, because each move uses up receives, or one of those a move task has left.
        while let Some(Moved {
            target,
            content,
            why,
        }) = moved.pop_front()
        {
            let Ok(target) = self.find(&target) else {
                continue;
            };
            let put = |queue: &mut Queue, now: Millis| queue.take_in(now, content, why);
            moved.extend(self.run_alone(target, clock, put).1);
        }
        result
    }

    fn run_alone<R>(
        &self,
        cell: &Cell,
        clock: &Clock,
        operation: impl FnOnce(&mut Queue, Millis) -> R,
    ) -> (R, VecDeque<Moved>) {
        let mut queue = cell.lock();
        let now = clock.now();
        let due_before = queue.next_due();
        let has_target = self.has_target(&queue.attributes);
        queue.set_dead_letter_queue(has_target);
        queue.advance(now);
        queue.move_due(now, |name| self.find(name).is_ok());
        let result = operation(&mut queue, now);
        queue.serve(now);
        let due = queue.next_due();
        if queue.has_polls() && due.is_some_and(|due| due_before.is_none_or(|was| due < was)) {
            cell.due_changed.notify_one();
        }
        (result, queue.take_moved())
    }

    fn has_target(&self, attributes: &QueueAttributes) -> bool {
        attributes
            .redrive
            .as_ref()
            .is_some_and(|policy| self.find(policy.target_name()).is_ok())
    }

    /// Makes a queue, or finds the one that is there already with the same attributes.
    pub(super) fn create(
        &mut self,
        name: QueueName,
        changes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
        clock: &Clock,
    ) -> Result<(), Error> {
        let attributes = QueueAttributes::new(&name, changes)?;
        let tags = Tags::default().with(tags)?;
        if let Some(cell) = self.queues.get(&name) {
            let queue = cell.lock();
            same_tags(&queue.tags, &tags)?;
            return same_attributes(&queue.attributes, &attributes, changes);
        }
        let now = clock.now();
        self.deleted
            .retain(|_, at| now < at.saturating_add(DELETED_NAME_MS));
        if self.deleted.contains_key(&name) {
            return Err(Error::new(
                ErrorKind::QueueDeletedRecently,
                "You must wait 60 seconds after deleting a queue before you can create another \
                 with the same name.",
            ));
        }
        self.check_redrive(&name, &attributes)?;
        let arn = self.arn(&name).into();
        let seed = self.seeds.random();
        let queue = Queue::new(now, arn, attributes, tags, self.in_flight_max, seed);
        self.queues
            .insert(name.clone(), Arc::new(Cell::new(name, queue)));
        Ok(())
    }

    /// Deletes a queue with everything in it and blocks its name for a while.
    pub(super) fn delete(&mut self, name: &str, clock: &Clock) -> Result<(), Error> {
        let (name, cell) = self
            .queues
            .remove_entry(name)
            .ok_or_else(Error::no_such_queue)?;
        self.deleted.insert(name, clock.now());
        cell.lock().close();
        Ok(())
    }

    /// Sets attributes of a queue.
    pub(super) fn set_attributes(
        &self,
        name: &str,
        changes: &BTreeMap<String, String>,
        clock: &Clock,
    ) -> Result<(), Error> {
        let cell = self.find(name)?;
        let mut attributes = cell.lock().attributes.clone();
        attributes.apply(changes)?;
        self.check_redrive(&cell.name, &attributes)?;
        self.run(cell, clock, |queue, now| {
            // Applied again, to what the attributes are by now.
            let mut attributes = queue.attributes.clone();
            attributes.apply(changes)?;
            queue.set_attributes(now, attributes);
            Ok(())
        })
    }

    /// Checks the redrive policy against its target: it is there, of the same type, and lets
    /// this queue in.
    fn check_redrive(&self, name: &QueueName, attributes: &QueueAttributes) -> Result<(), Error> {
        let Some(policy) = &attributes.redrive else {
            return Ok(());
        };
        let bad = |reason: &str| {
            Err(Error::invalid_value(
                policy.render(),
                "RedrivePolicy",
                reason,
            ))
        };
        let Ok(target) = self.find(policy.target_name()) else {
            return bad("Dead letter target does not exist.");
        };
        let target = target.lock();
        if *target.arn != *policy.target_arn {
            return bad("Dead letter target does not exist.");
        }
        let source_arn = self.arn(name);
        if *target.arn == *source_arn {
            return bad("Dead letter target must be another queue.");
        }
        if target.is_fifo() != name.is_fifo() {
            return bad("Dead-letter queue must be same type of queue as the source.");
        }
        match &target.attributes.redrive_allow {
            Some(allow) if !allow.allows(&source_arn) => {
                bad("Dead letter target does not allow this queue as its source.")
            }
            _ => Ok(()),
        }
    }
}

fn same_tags(existing: &Tags, wanted: &Tags) -> Result<(), Error> {
    if wanted.as_map().is_empty() || existing == wanted {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::QueueNameExists,
        "A queue already exists with the same name and different tags.",
    ))
}

fn same_attributes(
    existing: &QueueAttributes,
    wanted: &QueueAttributes,
    named: &BTreeMap<String, String>,
) -> Result<(), Error> {
    for name in named.keys() {
        let attribute: QueueAttribute = name.parse()?;
        if existing.get(attribute) != wanted.get(attribute) {
            return Err(Error::new(
                ErrorKind::QueueNameExists,
                format!(
                    "A queue already exists with the same name and a different value for \
                     attribute {name}"
                ),
            ));
        }
    }
    Ok(())
}
