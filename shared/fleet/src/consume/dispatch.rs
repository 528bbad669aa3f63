use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::delivery::Delivery;
use super::execute::execute;
use super::lane::{Lane, Lanes};
use super::router::{Consumer, Route};
use super::station::Station;

/// Gives each delivery a task, and starts the committers of batch handlers.
pub(super) struct Dispatcher {
    station: Arc<Station>,
    lanes: Arc<Lanes>,
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
        Self {
            station,
            lanes,
            deliveries: TaskTracker::new(),
            committers,
            nothing_more_comes,
        }
    }

    /// Starts the work on a delivery.
    pub(super) fn dispatch(&self, delivery: Delivery) {
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
