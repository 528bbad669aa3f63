use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::commit_group;
use super::delivery::Delivery;
use super::execute::execute;
use super::router::{Consumer, Route, Single};
use super::station::Station;

/// Gives each delivery a task, and starts the committers of batch handlers.
pub(super) struct Dispatcher {
    station: Arc<Station>,
    lanes: Arc<Lanes>,
    tasks: TaskTracker,
}

/// Where the events of each type are handled.
pub(super) type Lanes = BTreeMap<&'static str, Lane>;

pub(super) enum Lane {
    /// The delivery's own task runs the handler.
    One(Arc<dyn Single>),
    /// The committer runs the handler for many.
    Batch(mpsc::Sender<Delivery>),
}

impl Dispatcher {
    /// Starts the committers.
    pub(super) fn new(consumer: &Consumer, station: Arc<Station>) -> Self {
        let tasks = TaskTracker::new();
        let mut lanes = Lanes::new();
        for (event_type, route) in consumer.routes() {
            let lane = match route.clone() {
                Route::One(handler) => Lane::One(handler),
                Route::Batch(handler) => {
                    let (sender, deliveries) = mpsc::channel(commit_group::QUEUED_MAX);
                    let station = Arc::clone(&station);
                    tasks.spawn(async move { handler.serve(station, deliveries).await });
                    Lane::Batch(sender)
                }
            };
            lanes.insert(*event_type, lane);
        }
        Self {
            station,
            lanes: Arc::new(lanes),
            tasks,
        }
    }

    /// Starts the work on a delivery.
    pub(super) fn dispatch(&self, delivery: Delivery) {
        let (station, lanes) = (Arc::clone(&self.station), Arc::clone(&self.lanes));
        self.tasks.spawn(execute(station, lanes, delivery));
    }

    /// Waits until everything that was dispatched is settled.
    pub(super) async fn finish(self) {
        // The committers end when the last sender is gone.
        drop(self.lanes);
        self.tasks.close();
        self.tasks.wait().await;
    }
}
