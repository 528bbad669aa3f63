use std::sync::Arc;
use std::time::Duration;

use fleet::message::Outgoing;
use fleet::queue::Queue as _;
use fleet::store::MemoryStore;
use fleet::testing::queue::LocalQueue;
use jiff::Timestamp;
use sqs_local::{Clock, SetQueueAttributes, Settings, Sqs};

use crate::member::Rigging;
use crate::plan::{Kind, Sending};
use crate::world::World;

/// The time of day at the start of every story, in milliseconds.
const EPOCH: u64 = 1_700_000_000_000;

/// What the processes of a story live among: queue, dead-letter queue and database.
pub(crate) struct Surroundings {
    pub(crate) world: Arc<World>,
    pub(crate) queue: LocalQueue,
    pub(crate) dead: LocalQueue,
    pub(crate) store: MemoryStore,
    pub(crate) rigging: Rigging,
    /// The time of day at the start.
    pub(crate) epoch: Timestamp,
}

impl Surroundings {
    pub(crate) async fn new(world: Arc<World>, rigging: Rigging) -> Self {
        let sqs = Sqs::new(Settings {
            seed: Some(world.plan.seed),
            clock: Some(Clock::starting_at(EPOCH)),
            ..Settings::default()
        });
        let (queue, dead) = LocalQueue::pair(&sqs, world.plan.queue_name()).await;
        let visibility = world.plan.visibility.as_secs().to_string();
        let attributes = [("VisibilityTimeout".to_owned(), visibility)];
        let set = SetQueueAttributes {
            queue_url: queue.url().to_owned(),
            attributes: attributes.into(),
        };
        sqs.call(set).await.expect("the queue exists");
        Self {
            world,
            queue,
            dead,
            store: MemoryStore::new(),
            rigging,
            epoch: Timestamp::from_millisecond(EPOCH.cast_signed())
                .expect("it is a time of our days"),
        }
    }

    /// Sends one of the planned messages.
    pub(crate) async fn send(&self, sending: &Sending) {
        let Sending { event, group, .. } = *sending;
        let kind = self.world.plan.events[event];
        let event_type = match kind {
            Kind::UnknownType => "stranger",
            _ => "job",
        };
        let data = match kind {
            Kind::Undecodable => "7".to_owned(),
            _ => format!(r#"{{"event":{event}}}"#),
        };
        let mut message = Outgoing::new(format!(
            r#"{{"specversion":"1.0","id":"{event}","source":"/plan","type":"{event_type}","data":{data}}}"#
        ));
        if self.world.plan.fifo {
            let sent = self.world.lock().truth.sent_count();
            message.group_id = Some(format!("g{group}"));
            message.deduplication_id = Some(format!("{event}-{sent}"));
        }
        let mut sent = self
            .queue
            .send(&[message])
            .await
            .expect("the queue takes it");
        let id = sent.remove(0).expect("the queue takes it");
        let number = self.world.lock().truth.sent(event, id.0);
        self.world.note(0, "sends", &[number]);
    }

    /// Counts what the queue holds.
    pub(crate) async fn backlog(&self) -> u64 {
        let counts = self.queue.attributes().await.expect("the queue exists");
        counts.visible + counts.in_flight + counts.delayed
    }

    /// Checks that nothing but copies of the fleet came into the dead-letter queue.
    pub(crate) async fn check_dead(&self) {
        loop {
            let dead = self.dead.receive(10, Duration::ZERO).await;
            let dead = dead.expect("the queue exists");
            if dead.iter().any(|copy| copy.failure.is_none()) {
                let detail = "SQS moved a message itself".to_owned();
                self.world.broken("receives stay within reason", detail);
            }
            if dead.is_empty() {
                return;
            }
        }
    }
}
