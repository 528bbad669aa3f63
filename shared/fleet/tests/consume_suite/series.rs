use std::collections::BTreeSet;
use std::time::Duration;

use fleet::queue::{BATCH_ENTRIES_MAX, Queue as _};

use crate::records::counting;
use crate::stage::{Act, Stage, message};

/// How many types and groups nobody has heard of.
const STRANGERS: usize = 10_000;

fn stranger(n: usize) -> fleet::message::Outgoing {
    let body = format!(
        r#"{{"specversion":"1.0","id":"{n}","source":"/fake-{n}","type":"fake-{n}","data":{{}}}}"#
    );
    let mut message = message(&body, &[]);
    message.group_id = Some(format!("tenant-{n}"));
    message
}

fn series(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_types_and_groups_add_no_series() {
    let (page, _guard) = counting();
    let mut stage = Stage::new().await;
    stage.limits.unknown_type_grace = Duration::ZERO;
    stage.limits.concurrency = 200;
    let play = stage.start();
    stage.send_as("known", Act::Succeed).await;
    stage.send_message(stranger(0)).await;
    stage.is_empty().await;
    let before = page.render();
    let strangers: Vec<_> = (1..=STRANGERS).map(stranger).collect();
    for some in strangers.chunks(BATCH_ENTRIES_MAX) {
        stage.queue.send(some).await.unwrap();
    }
    stage.is_empty().await;
    assert_eq!(stage.dead_count().await, STRANGERS as u64 + 1);
    play.end(&stage).await;
    let after = page.render();
    assert!(!after.contains("fake-"), "no label is made of a message");
    assert_eq!(series(&after), series(&before));
}
