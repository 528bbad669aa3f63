//! Messages of a FIFO group have their effects in order, whatever becomes of requests and answers.

use std::time::Duration;

use fleet::message::Outgoing;
use fleet::{EventKey, NewEvent};
use fleet_tests::patience::until;

use crate::job::{Job, jobs};
use crate::scene::Scene;

/// The least that a wait of a second allows: so long a group is blocked by what nobody repeats, as
/// after a restart.
const VISIBILITY: Duration = Duration::from_secs(12);

const GROUPS: usize = 8;
const JOBS: usize = 12;

/// How many effects come after a later one of their group. Transactions of a
/// group follow one another, so their ids tell.
const OUT_OF_ORDER: &str = "select count(*) from (\
     select number, lag(number) over (partition by grp order by id) as before from (\
     select split_part(event, '-', 1) as grp, split_part(event, '-', 2)::int as number, \
     xmin::text::bigint as id from effects) as effect) as pair where before > number";

impl Scene {
    /// Sends a row of jobs to each group, the groups in turn.
    async fn send_to_groups(&self, job: impl Fn(usize, usize) -> Job) {
        for number in 0..JOBS {
            let message = |group: usize| {
                let id = format!("{group}-{number}");
                let event = NewEvent::new(EventKey::new("/test", &id), &job(group, number));
                Outgoing {
                    group_id: Some(group.to_string()),
                    deduplication_id: Some(id),
                    ..event.unwrap().to_message()
                }
            };
            let messages: Vec<_> = (0..GROUPS).map(message).collect();
            let sent = self.queue.send(&messages).await.unwrap();
            assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_of_a_group_are_in_order_through_lost_answers_and_a_restart() {
    let mut scene = Scene::on("ordered.fifo", VISIBILITY).await;
    scene.send_to_groups(|_, _| Job::Keep).await;
    scene.faults(
        "seed=3; lost rate=0.3 ops=ReceiveMessage; error rate=0.1 \
         ops=ReceiveMessage,DeleteMessageBatch,ChangeMessageVisibilityBatch; lost rate=0.2 \
         ops=DeleteMessageBatch; partial rate=0.2 ops=DeleteMessageBatch",
    );
    let first = scene.start(jobs(), None);
    until("some are done", || async {
        (scene.effects().await.0 >= 10).then_some(())
    })
    .await;
    scene.stop(first).await;
    scene.renew_shutdown();
    let second = scene.start(jobs(), None);
    scene.until_empty().await;
    let all = i64::try_from(GROUPS * JOBS).unwrap();
    assert_eq!(scene.effects().await, (all, all));
    assert_eq!(scene.count(OUT_OF_ORDER).await, 0);
    scene.end(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_without_a_message_that_is_refused() {
    let scene = Scene::on("refusing.fifo", VISIBILITY).await;
    let job = |group, number| match (group, number) {
        (0, 3) | (5, 0) => Job::Refuse,
        _ => Job::Keep,
    };
    scene.send_to_groups(job).await;
    let play = scene.start(jobs(), None);
    let mut dead: Vec<_> = scene.dead_letters(2).await;
    dead.sort_by(|a, b| a.1.key.id.cmp(&b.1.key.id));
    let ids = dead.iter().map(|(_, failure)| failure.key.id.as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["0-3", "5-0"]);
    assert_eq!(dead[0].0.group_id.as_deref(), Some("0"));
    scene.until_empty().await;
    let rest = i64::try_from(GROUPS * JOBS - 2).unwrap();
    assert_eq!(scene.effects().await, (rest, rest));
    assert_eq!(scene.count(OUT_OF_ORDER).await, 0);
    let rows = "select count(*) from fleet.attempts";
    assert_eq!(scene.count(rows).await, 0, "nothing was given back");
    scene.end(play).await;
}
