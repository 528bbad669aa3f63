use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::acknowledger::{self, Acknowledger};
use super::breaker::Breaker;
use super::delivery::Pool;
use super::dispatch::Dispatcher;
use super::lease::Leases;
use super::progress::Progress;
use super::receiver::Receiver;
use super::router::Consumer;
use super::station::{Limits, Station};
use crate::queue::Queue;
use crate::service::health::Health;
use crate::service::metrics::ConsumerMetrics;
use crate::service::retry::Jitter;
use crate::service::shutdown::Shutdown;
use crate::service::supervise::Supervisor;
use crate::store::Store;

/// How long the loops of a consumer may be silent. The longest of their waits
/// is a second; a tick that is this late means that the loop is stuck.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long the shutdown may take after the last handler has ended.
const TAIL: Duration = Duration::from_secs(5);

/// The clients of one queue, apart so that none waits behind another.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Long-polls the queue.
    pub receive: Arc<dyn Queue>,
    /// Acknowledges.
    pub settle: Arc<dyn Queue>,
    /// Extends leases, on the runtime of its own that the supervisor of [`Worker::run`] has.
    pub lease: Arc<dyn Queue>,
    /// The dead-letter queue.
    pub dead_letters: Arc<dyn Queue>,
}

/// What a worker is made of beside its consumer.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The clients of its queue.
    pub queues: Queues,
    /// Its database.
    pub store: Arc<dyn Store>,
    /// Limits and names.
    pub limits: Limits,
    /// Where it shows that it lives.
    pub health: Health,
    /// Where its randomness comes from.
    pub jitter: Jitter,
}

/// One consumer at work: receiver, pool, handlers, settlement.
#[derive(Debug)]
pub struct Worker {
    consumer: Consumer,
    parts: Parts,
    progress: Arc<Progress>,
}

impl Worker {
    /// Puts a worker together; nothing runs yet.
    pub fn new(consumer: Consumer, parts: Parts) -> Self {
        Self {
            consumer,
            parts,
            progress: Arc::new(Progress::new()),
        }
    }

    /// Returns the view of its progress.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Receives, works and settles until the shutdown, then drains.
    ///
    /// `aside` runs what must go on when a handler blocks its thread: the
    /// heartbeats and the breaker's watch.
    ///
    /// After the shutdown's request nothing new is received; handlers have
    /// until its grace ends; acknowledgements go out last, within 5 s more.
    ///
    /// # Cancellation
    ///
    /// It must not be dropped: request the shutdown instead.
    pub async fn run(self, aside: &tokio::runtime::Handle, shutdown: &Shutdown) {
        let Self {
            consumer,
            parts,
            progress,
        } = self;
        let Parts {
            queues,
            store,
            limits,
            health,
            jitter,
        } = parts;
        let done = CancellationToken::new();
        let metrics = ConsumerMetrics::new(&limits.queue, &consumer.event_types());
        #[expect(
            clippy::cast_precision_loss,
            reason = "a pool has far fewer than 2^52 permits"
        )]
        metrics.concurrency_limit.set(limits.concurrency as f64);
        let apart = Supervisor::new(aside.clone(), health.clone(), jitter.clone(), done.clone());

        let leases = Leases::new(limits.visibility, metrics.clone());
        let (keeper, lease_queue, until) = (Arc::clone(&leases), queues.lease, done.clone());
        apart.run(
            &format!("{}.leases", limits.consumer),
            SILENCE_MAX,
            move |pulse| {
                let (keeper, queue, until) =
                    (Arc::clone(&keeper), Arc::clone(&lease_queue), until.clone());
                async move {
                    keeper.keep(queue.as_ref(), &pulse, &until).await;
                    Ok(())
                }
            },
        );
        let breaker = Arc::new(Breaker::new(
            Arc::clone(&store),
            health.clone(),
            jitter.clone(),
        ));
        let (watched, until) = (Arc::clone(&breaker), done.clone());
        apart.run(
            &format!("{}.breaker", limits.consumer),
            SILENCE_MAX,
            move |pulse| {
                let (breaker, until) = (Arc::clone(&watched), until.clone());
                async move {
                    breaker.watch(&pulse, &until).await;
                    Ok(())
                }
            },
        );

        let (acks, queued) = mpsc::channel(acknowledger::QUEUED_MAX);
        let acknowledger = Acknowledger::new(queues.settle, metrics.clone(), jitter.clone());
        let pool = Pool::new(limits.concurrency);
        let pulse = health.register_loop(format!("{}.receiver", limits.consumer), SILENCE_MAX);
        let station = Arc::new(Station {
            limits,
            store,
            dead_letters: queues.dead_letters,
            acks,
            breaker,
            jitter,
            metrics,
            progress,
            stop_working: shutdown.stop_working.clone(),
        });
        let dispatcher = Dispatcher::new(&consumer, Arc::clone(&station));
        let receiver = Receiver {
            queue: queues.receive,
            pool,
            leases,
            station,
            dispatcher,
            health,
        };
        let stop = &shutdown.stop_receiving;
        let working = async {
            tokio::select! {
                biased;
                () = receiver.run(&pulse, stop) => {}
                () = overdue(&shutdown.stop_working) => {
                    tracing::error!("work did not end in time and is left to its leases");
                }
            }
        };
        let acknowledging = async {
            tokio::select! {
                biased;
                () = acknowledger.run(queued) => {}
                () = overdue(&shutdown.stop_working) => {
                    tracing::error!("acknowledgements did not go out in time");
                }
            }
        };
        tokio::join!(working, acknowledging);
        done.cancel();
        if timeout(TAIL, apart.ended()).await.is_err() {
            tracing::warn!("heartbeats did not end in time");
        }
    }
}

/// Completes when the work was cancelled and did not end within the tail.
async fn overdue(stop_working: &CancellationToken) {
    stop_working.cancelled().await;
    sleep(TAIL).await;
}
