//! Promise 3, leases: whoever works on a message keeps it, however often SQS hands it out.

use std::time::Duration;

use fleet::Consumer;
use fleet_tests::patience::until;

use crate::job::{Job, Keeper};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_while_it_is_worked_on_only_hands_over_its_newer_receipt() {
    const COPIES: u64 = 3;
    let scene = Scene::on("doubled", Duration::from_secs(30)).await;
    let keeper = Keeper::default();
    let play = scene.start(Consumer::new("jobs").handler(keeper.clone()), None);
    scene.send([("0".to_owned(), Job::Wait)]).await;
    let mut begun = keeper.begun.subscribe();
    begun.wait_for(|begun| *begun == 1).await.unwrap();

    scene.faults(&format!("duplicate ops=ReceiveMessage count={COPIES}"));
    let received = || scene.counted("fleet_messages_received_total", "");
    until("the message came again", || async {
        (received() == 1 + COPIES).then_some(())
    })
    .await;
    // A receipt from before the newest deletes nothing.
    keeper.gate.add_permits(1);
    scene.until_empty().await;
    assert_eq!(
        received(),
        1 + COPIES,
        "it was deleted, and did not come back"
    );
    assert_eq!(*keeper.begun.borrow(), 1);
    assert_eq!(scene.effects().await, (1, 1));
    assert_eq!(scene.count("select count(*) from fleet.attempts").await, 0);
    scene.stop(play).await;
    assert_eq!(scene.counted("fleet_acks_total", "requested"), 1);
    assert_eq!(scene.counted("fleet_acks_total", "confirmed"), 1);
    assert_eq!(scene.counted("fleet_leases_lost_total", ""), 0);
    scene.close().await;
}
