use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::acknowledger::{self, Ack, Acknowledger};
use super::breaker::Breaker;
use super::lease::Leases;
use super::receiver::Receiver;
use crate::queue::Queue;
use crate::service::health::Health;
use crate::service::retry::Jitter;
use crate::service::supervise::Supervisor;

/// How long the loops of a consumer may be silent. The longest of their waits
/// is a few seconds; a tick that is this late means that the loop is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long the loops may take to end when they are told to; they do at their next await.
const LOOPS_TAIL: Duration = Duration::from_secs(1);

/// The loops of one consumer, each supervised and on the runtime that suits it.
pub(super) struct Loops {
    consumer: &'static str,
    health: Health,
    jitter: Jitter,
    /// Ends them all, whatever they are waiting for.
    pub(super) all_is_done: CancellationToken,
}

impl Loops {
    pub(super) fn new(consumer: &'static str, health: Health, jitter: Jitter) -> Self {
        Self {
            consumer,
            health,
            jitter,
            all_is_done: CancellationToken::new(),
        }
    }

    pub(super) fn supervisor(&self, runtime: &Handle, stop: &CancellationToken) -> Supervisor {
        let (health, jitter) = (self.health.clone(), self.jitter.clone());
        Supervisor::new(runtime.clone(), health, jitter, stop.clone())
    }

    fn name(&self, of: &str) -> String {
        format!("{}.{of}", self.consumer)
    }

    pub(super) fn keep_leases(
        &self,
        supervisor: &Supervisor,
        leases: &Arc<Leases>,
        queue: Arc<dyn Queue>,
    ) {
        let (leases, stop) = (Arc::clone(leases), self.all_is_done.clone());
        supervisor.run(&self.name("leases"), SILENCE_MAX, move |pulse| {
            let (leases, queue, stop) = (Arc::clone(&leases), Arc::clone(&queue), stop.clone());
            async move {
                leases.keep(queue.as_ref(), &pulse, &stop).await;
                Ok(())
            }
        });
    }

    pub(super) fn watch_breaker(&self, supervisor: &Supervisor, breaker: &Arc<Breaker>) {
        let (breaker, stop) = (Arc::clone(breaker), self.all_is_done.clone());
        supervisor.run(&self.name("breaker"), SILENCE_MAX, move |pulse| {
            let (breaker, stop) = (Arc::clone(&breaker), stop.clone());
            async move {
                breaker.watch(&pulse, &stop).await;
                Ok(())
            }
        });
    }

    pub(super) fn acknowledge(
        &self,
        supervisor: &Supervisor,
        acknowledger: Acknowledger,
        work_is_over: &CancellationToken,
    ) -> mpsc::Sender<Ack> {
        let (acks, queued) = mpsc::channel(acknowledger::QUEUED_MAX);
        // The channel outlives a run of the loop that panics.
        let (acknowledger, queued) = (Arc::new(acknowledger), Arc::new(Mutex::new(queued)));
        let (work_is_over, all_is_done) = (work_is_over.clone(), self.all_is_done.clone());
        supervisor.run(&self.name("acknowledger"), SILENCE_MAX, move |pulse| {
            let (acknowledger, queued) = (Arc::clone(&acknowledger), Arc::clone(&queued));
            let (work_is_over, all_is_done) = (work_is_over.clone(), all_is_done.clone());
            async move {
                let mut queued = queued.lock().await;
                let run = acknowledger.run(&mut queued, &pulse, &work_is_over);
                all_is_done.run_until_cancelled(run).await;
                Ok(())
            }
        });
        acks
    }

    pub(super) fn receive(
        &self,
        supervisor: &Supervisor,
        receiver: Receiver,
        stop: &CancellationToken,
    ) {
        let receiver = Arc::new(receiver);
        let (stop, all_is_done) = (stop.clone(), self.all_is_done.clone());
        supervisor.run(&self.name("receiver"), SILENCE_MAX, move |pulse| {
            let receiver = Arc::clone(&receiver);
            let (stop, all_is_done) = (stop.clone(), all_is_done.clone());
            async move {
                all_is_done
                    .run_until_cancelled(receiver.run(&pulse, &stop))
                    .await;
                Ok(())
            }
        });
    }

    /// Ends them all, whatever they are waiting for.
    pub(super) async fn end<const N: usize>(&self, supervisors: [Supervisor; N]) {
        self.all_is_done.cancel();
        let ended = join_all(supervisors.iter().map(Supervisor::ended));
        if timeout(LOOPS_TAIL, ended).await.is_err() {
            tracing::warn!("a loop did not end in time");
        }
    }
}
