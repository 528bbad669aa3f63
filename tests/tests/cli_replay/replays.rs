use fleet_tests::mailbox::Counts;
use fleet_tests::site::Site;
use serde_json::json;

use crate::graveyard::{INVOICES, bury_orders, end};

#[tokio::test]
async fn what_is_replayed_is_done_once_and_the_journal_tells_of_it() {
    let site = Site::new().await.with("USER", "ann");
    bury_orders(&site, 0..25).await;
    let (process, _probe) = site.start_ready(&["run"]).await;
    let replay = ["dlq", "replay", "billing", "--yes", "--json"];
    let summary = site.run(&replay).await.with_code(0).json();
    assert_eq!(summary["state"], "done", "{summary}");
    assert_eq!(summary["replayed"], 25, "{summary}");
    assert_eq!(summary["deleted"], 25, "{summary}");
    site.books.until_count(INVOICES, 25).await;
    assert_eq!(site.dead_letters.counts().await, Counts::NONE);

    let replays = site.run(&["dlq", "replays", "billing", "--json"]).await;
    let replays = replays.with_code(0).json();
    let row = &replays[0];
    assert_eq!(row["state"], "done", "{row}");
    assert_eq!(row["replayed"], 25, "{row}");
    assert_eq!(row["destination"], "billing", "{row}");
    assert_eq!(row["filter"], json!({}), "{row}");
    let who = row["who"].as_str().expect("it is text");
    assert!(who.starts_with("ann@"), "{who}");
    end(process).await;
}
