//! Queues that need no network, and that take only what SQS takes.

use std::cell::RefCell;
use std::time::Duration;

use fleet::message::{Message, Outgoing};
use fleet::queue::Queue as _;
use fleet::testing::queue::LocalQueue;
use sqs_local::{Clock, Settings, Sqs};
use tokio::runtime::{Builder, Runtime};

/// A Monday in 2026.
const EPOCH_MS: u64 = 1_767_600_000_000;

thread_local! {
    /// One for all runs; its clock stands still unless everybody waits.
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing of the system"),
    );
}

/// Runs something to its end; whoever waits does so in no time.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with_borrow_mut(|runtime| runtime.block_on(future))
}

/// Makes a service whose every run is like the one before. Call it within [`run`].
pub(crate) fn service() -> Sqs {
    Sqs::new(Settings {
        seed: Some(6),
        clock: Some(Clock::starting_at(EPOCH_MS)),
        ..Settings::default()
    })
}

/// Sends a message and receives it again, unfolded; the code of the refusal if SQS refuses it.
pub(crate) async fn deliver(queue: &LocalQueue, message: &Outgoing) -> Result<Message, String> {
    let sent = queue.send(std::slice::from_ref(message)).await;
    // A batch that is too large as a whole is refused as a whole.
    let mut entries = sent.map_err(|error| error.code.unwrap_or_default())?;
    let entry = entries.pop().expect("one message, one answer");
    let id = entry.map_err(|error| error.code)?;
    let mut received = queue.receive(1, Duration::ZERO).await.expect("it is up");
    let message = received.pop().expect("what was sent is there");
    assert_eq!(message.id, id);
    Ok(message)
}
