use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::delivery::Delivery;
use super::execute::execute;
use super::lane::{Lane, Lanes};
use super::router::{Consumer, Route};
use super::serial::Serial;
use super::station::Station;

/// Gives each delivery a task, on FIFO queues one a group at a time, and starts the committers of batch handlers.
pub(super) struct Dispatcher {
    station: Arc<Station>,
    lanes: Arc<Lanes>,
    /// The groups of a FIFO queue.
    serial: Option<Arc<Serial>>,
    deliveries: TaskTracker,
    committers: TaskTracker,
    nothing_more_comes: CancellationToken,
}

impl Dispatcher {
    /// Starts the committers.
    pub(super) fn new(consumer: &Consumer, station: Arc<Station>) -> Self {
        let (committers, nothing_more_comes) = (TaskTracker::new(), CancellationToken::new());
        let lane = |route: &Route| match route.clone() {
            Route::One(handler) => Lane::One(handler),
            Route::Batch(handler) => {
                Lane::Batch(handler.start(&station, &committers, &nothing_more_comes))
            }
        };
        let routes = consumer.routes().iter();
        let lanes = Arc::new(
            routes
                .map(|(event_type, route)| (*event_type, lane(route)))
                .collect(),
        );
        let deliveries = TaskTracker::new();
        let serial = station.limits.group_policy.map(|_| {
            let (sweeping, stop) = (Arc::clone(&station), nothing_more_comes.clone());
            committers.spawn(async move {
                if let Some(halted) = &sweeping.halted {
                    halted.sweep(&stop).await;
                }
            });
            Serial::new(Arc::clone(&station), Arc::clone(&lanes), deliveries.clone())
        });
        Self {
            station,
            lanes,
            serial,
            deliveries,
            committers,
            nothing_more_comes,
        }
    }

    /// Starts the work on a delivery, or lets it wait for those before it in its group.
    pub(super) fn dispatch(&self, delivery: Delivery) {
        if let (Some(serial), Some(group)) = (&self.serial, &delivery.message.group_id) {
            return serial.join(group.clone(), delivery);
        }
        let (station, lanes) = (Arc::clone(&self.station), Arc::clone(&self.lanes));
        self.deliveries.spawn(execute(station, lanes, delivery));
    }

    /// Waits until everything that was dispatched is settled.
    ///
    /// # Cancellation
    ///
    /// The work goes on; a later call waits again.
    pub(super) async fn finish(&self) {
        self.deliveries.close();
        self.deliveries.wait().await;
        self.nothing_more_comes.cancel();
        self.committers.close();
        self.committers.wait().await;
    }
}
