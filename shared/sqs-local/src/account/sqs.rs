//! The service as its callers hold it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::address;
use super::admission::Admission;
use super::call::Course;
use super::caller::Caller;
use super::faults::FaultCell;
use super::moving::Movers;
use super::registry::Registry;
use super::settings::{AbandonedReceives, Settings};
use crate::clock::Clock;
use crate::error::Error;
use crate::fault::Face;
use crate::history::History;
use crate::limits::Millis;
use crate::operation::Operation;
use crate::queue::{Queue, QueueName};

/// An SQS-compatible service in memory; clones are the same service.
///
/// Each operation of SQS is a method that takes a struct of the same name. All are `async` for
/// the sake of the one that waits, [`receive_message`](Self::receive_message).
#[derive(Debug, Clone)]
pub struct Sqs {
    pub(super) account: Arc<Account>,
    caller: Arc<Caller>,
    pub(super) abandoned_receives: AbandonedReceives,
    /// The one call this is for, if somebody is interested in it.
    pub(super) course: Option<Arc<Course>>,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) clock: Clock,
    registry: RwLock<Registry>,
    pub(super) faults: FaultCell,
    pub(super) history: OnceLock<History>,
    pub(super) movers: Movers,
    pub(super) admission: Admission,
}

impl Account {
    pub(super) fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Sqs {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Sqs {
    /// The account of every queue.
    pub const ACCOUNT: &str = super::settings::ACCOUNT;

    /// Makes a service without queues.
    pub fn new(settings: Settings) -> Self {
        let account = Account {
            clock: settings.clock.unwrap_or_else(Clock::system),
            registry: RwLock::new(Registry::new(&settings)),
            faults: FaultCell::default(),
            history: OnceLock::new(),
            movers: Movers::default(),
            admission: Admission::default(),
        };
        Self {
            account: Arc::new(account),
            caller: Arc::new(Caller::default()),
            abandoned_receives: settings.abandoned_receives,
            course: None,
        }
    }

    /// Returns the same service as a caller elsewhere sees it, whose receives go on without it.
    #[must_use]
    pub fn as_caller(&self, caller: Arc<Caller>) -> Self {
        Self {
            account: Arc::clone(&self.account),
            caller,
            abandoned_receives: AbandonedReceives::Continue,
            course: None,
        }
    }

    /// Returns the same service for one call.
    pub(super) fn on_course(&self, course: Arc<Course>) -> Self {
        Self {
            course: Some(course),
            ..self.clone()
        }
    }

    /// Returns who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the clock the service lives by.
    pub fn clock(&self) -> &Clock {
        &self.account.clock
    }

    /// Returns the URL of the queue of that name, whether or not there is one.
    pub fn queue_url(&self, name: &str) -> String {
        address::write(self.caller.endpoint(), name)
    }

    /// Returns how many receives wait on a queue, for tests that have to know that one does.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, or `InvalidAddress` if the URL is none.
    pub fn waiting_receives(&self, queue_url: &str) -> Result<usize, Error> {
        self.on_queue(queue_url, |queue, now| Ok(queue.waiting(now)))
    }

    /// Carries out any operation; the methods by name are short for this.
    ///
    /// # Errors
    /// What the operation answers.
    ///
    /// # Cancellation
    /// Only a receive waits. What becomes of one that is dropped meanwhile is a setting,
    /// [`AbandonedReceives`](crate::AbandonedReceives).
    pub async fn call<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        match self.begin(&operation, Face::Library) {
            None => operation.run(self).await,
            Some(mut call) => call.carry_out(operation).await,
        }
    }

    /// Runs something on the queue of a URL.
    pub(crate) fn on_queue<R>(
        &self,
        url: &str,
        operation: impl FnOnce(&mut Queue, Millis) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let name = address::read(url)?;
        let registry = self.account.registry();
        let cell = registry.find(name)?;
        registry.run(cell, &self.account.clock, operation)
    }

    pub(crate) fn create(
        &self,
        name: QueueName,
        attributes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        let url = self.queue_url(name.as_str());
        self.account
            .registry_mut()
            .create(name, attributes, tags, &self.account.clock)?;
        Ok(url)
    }

    pub(crate) fn delete(&self, url: &str) -> Result<(), Error> {
        let name = address::read(url)?;
        self.account
            .registry_mut()
            .delete(name, &self.account.clock)
    }

    pub(crate) fn set_attributes(
        &self,
        url: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let name = address::read(url)?;
        // Exclusive, so that no other change comes between check and effect.
        self.account
            .registry_mut()
            .set_attributes(name, attributes, &self.account.clock)
    }

    pub(crate) fn purge(&self, url: &str) -> Result<(), Error> {
        let name = address::read(url)?;
        self.on_queue(url, |queue, now| queue.purge(now, name))
    }

    /// Returns the URL of a queue that exists.
    pub(crate) fn find_url(&self, name: &str) -> Result<String, Error> {
        self.account.registry().find(name)?;
        Ok(self.queue_url(name))
    }

    /// Returns the names of all queues, in order.
    pub(crate) fn names(&self) -> Vec<QueueName> {
        self.account
            .registry()
            .cells()
            .map(|cell| cell.name.clone())
            .collect()
    }

    /// Returns the names of the queues that have the one of the URL as their dead-letter queue.
    pub(crate) fn sources(&self, url: &str) -> Result<Vec<QueueName>, Error> {
        let name = address::read(url)?;
        let registry = self.account.registry();
        let cell = registry.find(name)?;
        Ok(registry
            .sources(&cell.name)
            .map(|source| source.name.clone())
            .collect())
    }
}
