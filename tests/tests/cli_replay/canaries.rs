use fleet_tests::site::Site;

use crate::graveyard::{INVOICES, assert_done_once, bury_hopeless, bury_orders, end};

#[tokio::test]
async fn when_the_canary_is_done_the_rest_follows() {
    let site = Site::new().await;
    bury_orders(&site, 0..30).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    let replay = [
        "dlq", "replay", "billing", "--yes", "--canary", "4", "--json",
    ];
    let ended = site.run(&replay).await.with_code(0);
    assert!(
        ended
            .stderr
            .contains("the canary is done; the rest follows"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["replayed"], 30);
    assert_done_once(&site, 30).await;
    end(process).await;
}

#[tokio::test]
async fn a_canary_that_fails_stops_the_replay_and_what_was_mended_goes_on() {
    let site = Site::new().await;
    for id in 0..6 {
        bury_hopeless(&site, &id.to_string()).await;
    }
    let (process, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    let replay = [
        "dlq", "replay", "billing", "--yes", "--canary", "2", "--json",
    ];
    let ended = site.run(&replay).await.with_code(3);
    let summary = ended.json();
    assert_eq!(summary["state"], "stopped", "{summary}");
    assert_eq!(summary["replayed"], 2, "{summary}");
    assert!(
        ended.stderr.contains("failed anew: no customer"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("dlq ls billing-dlq --fingerprint"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--resume 1"), "{}", ended.stderr);
    // Four wait, and two are dead anew.
    site.dead_letters.until_holds(6).await;

    // What failed before the replay goes on says nothing of what comes now.
    let resume = [
        "dlq",
        "replay",
        "billing",
        "--yes",
        "--resume",
        "1",
        "--tolerate",
        "9",
        "--json",
    ];
    let summary = site.run(&resume).await.with_code(0).json();
    assert_eq!(summary["replayed"], 6, "{summary}");
    assert_eq!(site.books.count(INVOICES).await, 0);
    end(process).await;
}

#[tokio::test]
async fn a_canary_without_an_outcome_ends_the_replay_in_time() {
    let site = Site::new().await;
    bury_orders(&site, 0..6).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    site.books.until_count("fleet.processes", 1).await;
    // It shows itself as serving for a while yet.
    process.signal(fleet_tests::process::Signal::Kill);
    let replay = [
        "dlq",
        "replay",
        "billing",
        "--yes",
        "--canary",
        "2",
        "--canary-timeout",
        "3s",
        "--json",
    ];
    let ended = site.run(&replay).await.with_code(3);
    assert!(
        ended.stderr.contains("2 of the canary have no outcome yet"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.json()["replayed"], 2);
    assert_eq!(site.dead_letters.counts().await.visible, 4);

    let (process, _probe) = site.start_ready(&["run"]).await;
    let resume = [
        "dlq", "replay", "billing", "--yes", "--resume", "1", "--json",
    ];
    site.run(&resume).await.with_code(0);
    assert_done_once(&site, 6).await;
    end(process).await;
}
