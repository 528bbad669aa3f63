use fleet_tests::gate::Way;
use fleet_tests::patience::until;
use fleet_tests::process::Signal;
use fleet_tests::site::Site;

use crate::graveyard::{LEASE, assert_done_once, bury_hopeless, bury_orders, end};

/// Ten of those that are through.
const TEN_DELETED: &str = "(select from fleet.replay_entries where state = 'deleted' limit 10) e";

const SLOWLY: [&str; 7] = [
    "dlq", "replay", "billing", "--yes", "--rate", "20/s", "--json",
];

#[tokio::test]
async fn a_failure_that_comes_back_stops_the_replay() {
    let site = Site::new().await;
    for id in 0..200 {
        bury_hopeless(&site, &id.to_string()).await;
    }
    let (process, _probe) = site.start_ready(&["run"]).await;
    let ended = site.run(&SLOWLY).await.with_code(3);
    let summary = ended.json();
    assert_eq!(summary["state"], "stopped", "{summary}");
    let reason = summary["stopped_reason"].as_str().expect("it is text");
    assert!(
        reason.contains("failed again of what they had died of: no customer"),
        "{reason}"
    );
    let replayed = summary["replayed"].as_u64().expect("it is a count");
    assert!((1..200).contains(&replayed), "{summary}");
    assert_eq!(summary["deleted"], replayed, "{summary}");
    site.dead_letters.until_holds(200).await;
    end(process).await;
}

#[tokio::test]
async fn ctrl_c_ends_it_in_order_and_it_can_be_gone_on_with() {
    let site = Site::new().await;
    bury_orders(&site, 0..120).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let mut replay = site.start(&SLOWLY);
    replay.says("replay 1 begins").await;
    site.books.until_count(TEN_DELETED, 10).await;
    replay.signal(Signal::Interrupt);
    let ended = replay.ended().await.with_code(130);
    let summary = ended.json();
    assert_eq!(summary["stopped_reason"], "interrupted", "{summary}");
    assert!(
        ended
            .stderr
            .contains("to go on: fleet dlq replay billing-dlq --resume 1"),
        "{}",
        ended.stderr
    );
    let counts = site.dead_letters.counts().await;
    let replayed = summary["replayed"].as_u64().expect("it is a count");
    assert_eq!(
        (counts.in_flight, counts.visible),
        (0, 120 - replayed),
        "{summary}"
    );

    let resume = [
        "dlq", "replay", "billing", "--yes", "--resume", "1", "--rate", "500/s", "--json",
    ];
    let summary = site.run(&resume).await.with_code(0).json();
    assert_eq!(
        (&summary["replayed"], &summary["state"]),
        (&120.into(), &"done".into()),
        "{summary}"
    );
    assert_done_once(&site, 120).await;
    let ended = site.run(&resume).await.with_code(2);
    assert!(
        ended.stderr.contains("replay 1 is done: 120 replayed"),
        "{}",
        ended.stderr
    );
    end(process).await;
}

#[tokio::test]
async fn two_at_once_share_the_work() {
    let site = Site::new().await;
    bury_orders(&site, 0..150).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let replay = [
        "dlq", "replay", "billing", "--yes", "--rate", "40/s", "--json",
    ];
    let (one, other) = tokio::join!(site.run(&replay), site.run(&replay));
    let replayed =
        |summary: serde_json::Value| summary["replayed"].as_u64().expect("it is a count");
    let (one, other) = (one.with_code(0).json(), other.with_code(0).json());
    assert_eq!(replayed(one) + replayed(other), 150);
    assert_done_once(&site, 150).await;
    end(process).await;
}

#[tokio::test]
async fn an_outage_of_the_database_or_of_sqs_is_waited_out() {
    let mut site = Site::new().await;
    bury_orders(&site, 0..100).await;
    // The consumer has its own way in.
    let (process, _probe) = site.start_ready(&["run"]).await;
    let (database, queues) = (site.gate_database().await, site.gate_queues().await);
    database.open();
    queues.open();
    let mut replay = site.start(&SLOWLY);
    replay.says("replay 1 begins").await;
    site.books.until_count(TEN_DELETED, 10).await;
    for gate in [&database, &queues] {
        gate.close();
        let came = gate.visitors();
        until("it has knocked in vain", || async {
            (gate.visitors() >= came + 3).then_some(())
        })
        .await;
        gate.open();
    }
    let summary = replay.ended().await.with_code(0).json();
    assert_eq!(summary["replayed"], 100, "{summary}");
    assert_done_once(&site, 100).await;
    end(process).await;
}

#[tokio::test]
async fn when_the_database_stays_away_it_ends_and_says_how_to_go_on() {
    let mut site = Site::new().await;
    bury_orders(&site, 0..100).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let database = site.gate_database().await;
    database.open();
    let arguments = [&SLOWLY[..], &["--lease", LEASE]].concat();
    let mut replay = site.start(&arguments);
    replay.says("replay 1 begins").await;
    site.books.until_count(TEN_DELETED, 10).await;
    database.turn(Way::Refuses);
    let ended = replay.ended().await.with_code(3);
    assert!(
        ended.stderr.contains("--resume 1 goes on"),
        "{}",
        ended.stderr
    );
    database.open();
    let resume = [
        "dlq", "replay", "billing", "--yes", "--resume", "1", "--json", "--rate", "500/s",
        "--lease", LEASE,
    ];
    let summary = site.run(&resume).await.with_code(0).json();
    assert_eq!(summary["replayed"], 100, "{summary}");
    assert_done_once(&site, 100).await;
    end(process).await;
}
