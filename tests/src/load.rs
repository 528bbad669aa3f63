//! A producer that does not mind what becomes of its consumers.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::mailbox::Mailbox;

/// How often it sends.
const PERIOD: Duration = Duration::from_millis(100);

/// Messages sent at a steady rate until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    sending: JoinHandle<u64>,
}

impl Load {
    /// Sends jobs of 20 ms, so many each tenth of a second, numbered from `first`.
    pub fn start(queue: &Mailbox, first: u64, each_period: u64) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let queue = queue.clone();
        let sending = tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            let mut next = first;
            while !*stopped.borrow() {
                tokio::select! {
                    _ = ticks.tick() => {
                        for id in next..next + each_period {
                            send_job(&queue, id, 20).await;
                        }
                        next += each_period;
                    }
                    _ = stopped.changed() => {}
                }
            }
            next
        });
        Self { stop, sending }
    }

    /// Ends it and returns the number after the last one it has sent.
    pub async fn stop(self) -> u64 {
        self.stop.send_replace(true);
        self.sending.await.expect("sending does not panic")
    }
}

/// Sends one job that takes so long.
pub async fn send_job(queue: &Mailbox, id: u64, work_ms: u64) {
    let body = json!({
        "specversion": "1.0", "id": id.to_string(), "source": "/load", "type": "job",
        "data": { "work_ms": work_ms },
    });
    queue.send(&body.to_string(), Default::default()).await;
}
