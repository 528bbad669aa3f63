use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::{Session, Shared, connect, failure};
use crate::store::StoreError;

/// The least time between two notifications of a process. NOTIFY serialises
/// commits server-wide; once in two milliseconds it is not felt, and the first
/// of a burst goes out at once.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(2);

/// How long to wait before listening again after the connection was lost;
/// meanwhile the relay's poll finds the rows.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// How long LISTEN may take to be answered.
const LISTEN_MAX: Duration = Duration::from_secs(5);

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const FLAGGED: u8 = 2;

/// Tells the relays of other processes of committed rows, many commits at a time.
///
/// Its task lives only while there is something to tell.
pub(super) struct Notifier {
    channel: String,
    state: AtomicU8,
}

impl Notifier {
    pub(super) fn new(schema: &str) -> Self {
        Self {
            channel: channel(schema),
            state: AtomicU8::new(IDLE),
        }
    }
}

/// Notes that rows were committed; the notification follows on its own.
pub(super) fn flag(shared: &Arc<Shared>) {
    if shared.notifier.state.swap(FLAGGED, Ordering::AcqRel) != IDLE {
        return;
    }
    match Handle::try_current() {
        Ok(runtime) => drop(shared.tasks.spawn_on(notify(Arc::clone(shared)), &runtime)),
        Err(_) => shared.notifier.state.store(IDLE, Ordering::Release),
    }
}

async fn notify(shared: Arc<Shared>) {
    let state = &shared.notifier.state;
    loop {
        state.store(RUNNING, Ordering::Release);
        if let Err(error) = send(&shared).await {
            // Nothing is lost: the relays poll.
            tracing::debug!(class = %error.class, "outbox notification not sent");
        }
        sleep(NOTIFY_INTERVAL).await;
        let done = state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if done.is_ok() {
            return;
        }
    }
}

async fn send(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let session = Session::open(shared).await?;
    let client = session.client();
    let work = async {
        let statement = client.prepare_cached("select pg_notify($1, '')").await?;
        client
            .execute(&statement, &[&shared.notifier.channel])
            .await
    };
    session.run_bounded(work).await.map(|_| ())
}

/// Listens on a session of its own until `stop` is cancelled.
pub(super) async fn listen(
    address: &Address,
    schema: &str,
    writes: &watch::Sender<u64>,
    stop: CancellationToken,
) {
    let listening = async {
        loop {
            if let Err(error) = listen_once(address, schema, writes).await {
                tracing::warn!(class = %error.class, "not listening for outbox rows; polling");
            }
            sleep(RECONNECT_PAUSE).await;
        }
    };
    stop.run_until_cancelled(listening).await;
}

async fn listen_once(
    address: &Address,
    schema: &str,
    writes: &watch::Sender<u64>,
) -> Result<(), StoreError> {
    let (client, mut connection) = connect::connect(address).await?;
    // Whatever was committed before this session listened is told of now.
    let listen = format!("listen \"{}\"", channel(schema));
    let started = timeout(LISTEN_MAX, client.batch_execute(&listen));
    let mut started = std::pin::pin!(started);
    let mut is_listening = false;
    poll_fn(|cx| {
        loop {
            use std::task::Poll;
            if !is_listening && let Poll::Ready(answer) = started.as_mut().poll(cx) {
                match answer {
                    Ok(Ok(())) => is_listening = true,
                    Ok(Err(error)) => return Poll::Ready(Err(failure::of_connect(error))),
                    Err(_elapsed) => return Poll::Ready(Ok(())),
                }
                writes.send_modify(|count| *count = count.wrapping_add(1));
            }
            match connection.poll_message(cx) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => {
                    writes.send_modify(|count| *count = count.wrapping_add(1));
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(failure::of_connect(error)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

fn channel(schema: &str) -> String {
    format!("{schema}_outbox")
}
