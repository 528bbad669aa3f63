use fleet_tests::mailbox::Counts;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;

use crate::graveyard::{assert_done_once, bury_orders, end};

const NATIVE: [&str; 6] = ["dlq", "replay", "billing", "--native", "--yes", "--json"];

#[tokio::test]
async fn sqs_moves_everything_and_who_did_it_is_written_down() {
    let site = Site::new().await.with("USER", "ann");
    bury_orders(&site, 0..20).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let outcome = site.run(&NATIVE).await.with_code(0).json();
    assert_eq!(outcome["moved"], 20, "{outcome}");
    assert_eq!(outcome["status"], "completed", "{outcome}");
    assert_done_once(&site, 20).await;
    let row = site
        .books
        .rows("select kind, state, moved, who, destination from fleet.replays")
        .await;
    assert_eq!(row[0]["kind"], "native", "{row:?}");
    assert_eq!(row[0]["state"], "done", "{row:?}");
    assert_eq!(row[0]["moved"], 20, "{row:?}");
    let who = row[0]["who"].as_str().expect("it is text");
    assert!(who.starts_with("ann@"), "{who}");
    let ended = site
        .run(&["dlq", "replay", "billing", "--yes", "--resume", "1"])
        .await;
    assert!(
        ended
            .with_code(2)
            .stderr
            .contains("is a move task of SQS's own")
    );
    end(process).await;
}

#[tokio::test]
async fn ctrl_c_cancels_it_and_says_how_many_were_moved() {
    let site = Site::new().await;
    bury_orders(&site, 0..60).await;
    let replay = site.start(&[&NATIVE[..], &["--rate", "5"]].concat());
    fleet_tests::patience::until("some are moved", || async {
        (site.queue.counts().await.visible >= 5).then_some(())
    })
    .await;
    replay.signal(Signal::Interrupt);
    let ended = replay.ended().await.with_code(130);
    let outcome = ended.json();
    let moved = outcome["moved"].as_u64().expect("it is a count");
    assert_eq!(outcome["status"], "cancelled", "{outcome}");
    assert_eq!(site.queue.counts().await.visible, moved);
    assert_eq!(site.dead_letters.counts().await.visible, 60 - moved);
}

#[tokio::test]
async fn it_works_without_a_database_and_knows_whole_rates_only() {
    let mut site = Site::new().await;
    site.env.remove("DATABASE_URL");
    bury_orders(&site, 0..3).await;
    for rate in ["0.5", "501", "90/m"] {
        let ended = site
            .run(&[&NATIVE[..], &["--rate", rate]].concat())
            .await
            .with_code(2);
        assert!(
            ended.stderr.contains("1 to 500 messages a second"),
            "{}",
            ended.stderr
        );
    }
    let ended = site.run(&NATIVE).await.with_code(0);
    assert!(
        ended.stderr.contains("without DATABASE_URL"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["moved"], 3);
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);
}
