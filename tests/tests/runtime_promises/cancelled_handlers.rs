//! What a handler leaves behind that is dropped in the middle of its transaction: nothing.

use std::time::Duration;

use fleet::{Consumer, Context, Done, Envelope, EventKey, Handler, HandlerError, NewEvent};
use fleet_tests::patience::{PATIENCE, until};
use sqs_local::PurgeQueue;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::job::{INSERT, Job, KeepAll, numbered};
use crate::scene::Scene;

/// Handlers that are dropped.
const DROPPED: usize = 10_000;

/// So many times the worker is told to stop in the middle, which interrupts handlers.
const STOPS: usize = 5;

/// Long enough for a few statements, so that it ends at any of them.
const HANDLER_TIMEOUT: Duration = Duration::from_millis(10);

/// Never gets to its end.
struct Endless {
    dropped: watch::Sender<usize>,
}

/// Counts when it is dropped.
struct Guard<'a>(&'a watch::Sender<usize>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|dropped| *dropped += 1);
    }
}

impl Endless {
    async fn write_on(id: &str, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        let tx = cx.begin().await?;
        loop {
            tx.execute(INSERT, &[&id]).await?;
            tx.query("select pg_sleep(random() / 1000)", &[]).await?;
            tokio::task::yield_now().await;
        }
    }
}

impl Handler for Endless {
    type Event = Job;

    async fn handle(&self, job: Envelope<Job>, cx: &mut Context<'_>) -> Result<Done, HandlerError> {
        let guard = Guard(&self.dropped);
        let ended = Self::write_on(&job.key.id, cx).await;
        // It was not dropped: the database had something else to say.
        std::mem::forget(guard);
        ended
    }
}

/// Sends every event once.
async fn send_all(scene: &Scene) {
    for (id, job) in numbered(&Job::Keep, DROPPED) {
        let event = NewEvent::new(EventKey::new("/test", id), &job).unwrap();
        let body = event.to_message().body;
        scene.mailbox.send(&body, Default::default()).await;
    }
}

async fn purge(scene: &Scene) {
    let queue_url = scene.mailbox.url().to_owned();
    scene.sqs.call(PurgeQueue { queue_url }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_handlers_dropped_in_their_transactions_leave_nothing_behind() {
    let mut scene = Scene::on("dropped", Duration::from_secs(30)).await;
    scene.limits.handler_timeout = HANDLER_TIMEOUT;
    scene.limits.attempts_max = 1_000;
    send_all(&scene).await;
    let dropped = watch::Sender::new(0);
    let mut count = dropped.subscribe();
    for stop in 1..=STOPS {
        let endless = Endless {
            dropped: dropped.clone(),
        };
        let play = scene.start(Consumer::new("jobs").handler(endless), None);
        let enough = stop * DROPPED / STOPS;
        let dropping = count.wait_for(|count| *count >= enough);
        timeout(2 * PATIENCE, dropping).await.unwrap().unwrap();
        scene.shutdown.stop_working.cancel();
        scene.stop(play).await;
        scene.renew_shutdown();
    }
    purge(&scene).await;

    until("no session is left in a transaction", || async {
        let busy = "select count(*) from pg_stat_activity where datname = current_database() \
                    and pid <> pg_backend_pid() and state <> 'idle'";
        (scene.count(busy).await == 0).then_some(())
    })
    .await;
    assert_eq!(scene.effects().await, (0, 0));
    assert_eq!(scene.count("select count(*) from fleet.inbox").await, 0);
    let dead = scene.dead.attributes().await.unwrap();
    assert_eq!(dead.visible, 0);

    // The same connections do the same events.
    scene.limits.handler_timeout = Duration::from_secs(30);
    scene.limits.concurrency = 100;
    send_all(&scene).await;
    let play = scene.start(Consumer::new("jobs").batch_handler(KeepAll), None);
    scene.until_empty().await;
    let all = i64::try_from(DROPPED).unwrap();
    assert_eq!(scene.effects().await, (all, all));
    assert_eq!(scene.count("select count(*) from fleet.inbox").await, all);
    scene.end(play).await;
}
